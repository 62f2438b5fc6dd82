package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
)

// scrapeWithin bounds what one scrape may wait for the engine and the store.
const scrapeWithin = 5 * time.Second

// Metrics measure what no counter of the engine knows. One value serves for
// the life of the process, also where the handler is made anew on a reload.
type Metrics struct {
	intake *prometheus.HistogramVec
}

// NewMetrics makes the measurements of a process.
func NewMetrics() *Metrics {
	return &Metrics{intake: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "waybill_intake_seconds",
		Help:    "Time from a push's headers to its answer, which follows its commit.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"system", "status"})}
}

// Push records an answered push: it is the intake's Observe. An unknown system
// is "", so that nobody can make labels up.
func (m *Metrics) Push(system string, status int, took time.Duration) {
	m.intake.WithLabelValues(system, strconv.Itoa(status)).Observe(took.Seconds())
}

// metricsHandler serves /metrics: what was measured, and the state of
// everything at the moment of the request. No label names an order.
func metricsHandler(d *Deps) http.Handler {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), d.Metrics.intake)
	info := prometheus.NewDesc("waybill_build_info", "Constant 1; the labels say what runs.", nil,
		prometheus.Labels{"version": d.Version, "config_rev": d.ConfigRev})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeWithin)
		defer cancel()
		now := prometheus.NewRegistry()
		now.MustRegister(&scrape{ctx: ctx, engine: d.Engine, store: d.Store, log: d.Log, info: info})
		promhttp.HandlerFor(prometheus.Gatherers{own, now},
			promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
}

// scrape reads counters and gauges for one request.
type scrape struct {
	ctx    context.Context
	engine Engine
	store  Store
	log    *slog.Logger
	info   *prometheus.Desc
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("waybill_"+name, help, labels, nil)
}

var (
	messagesTotal   = desc("messages_total", "Messages kept since the start.")
	duplicatesTotal = desc("duplicates_total", "Messages that were known already.")
	eventsTotal     = desc("events_total", "Events recorded since the start.")
	documentsTotal  = desc("documents_total", "Documents decided since the start.")
	attemptsTotal   = desc("attempts_total", "Attempts made since the start.")
	retriesTotal    = desc("retries_total", "Attempts after a delivery's first.")
	doubtsTotal     = desc("in_doubt_total", "Attempts whose outcome was in doubt.")
	resolvedTotal   = desc("in_doubt_resolved_total", "Doubts that a look-up or the same key resolved.")
	batchesTotal    = desc("batches_total", "Batches the engine committed.")
	roundsTotal     = desc("rounds_total", "Inputs committed in batches.")
	commitsTotal    = desc("commits_total", "Commits of the store.")
	writtenTotal    = desc("written_bytes_total", "Bytes the store wrote to its log.")

	headGauge       = desc("ledger_head", "Events in the ledger.")
	deliveriesGauge = desc("deliveries", "Unsettled deliveries, by the state shown.", "system", "state")
	breakerGauge    = desc("breaker_open", "1 while nothing goes to the system until a probe succeeds.", "system")
	pausedGauge     = desc("system_paused", "1 while the system is paused.", "system")
	flightGauge     = desc("requests_under_way", "Requests to the system without an answer yet.", "system")
	speedGauge      = desc("system_documents_per_second", "Documents a system takes while some wait for it; no series where nothing is known yet.", "system")
	drainGauge      = desc("system_drain_seconds", "Forecast of when what is on its way to a system is gone; no series where nothing is known yet.", "system")
	eventsGauge     = desc("events_open", "Events that are undecided, in limbo or quarantined.", "state")
	oldestGauge     = desc("oldest_ready_seconds", "Age of the oldest delivery that could go now.")
	shardsGauge     = desc("replica_shards", "Shards that a replica decides and sends for, of 1,024.", "replica")
	leaseGauge      = desc("replica_lease_seconds", "What is left of a replica's lease; below 0: it has run out.", "replica")
	leadsGauge      = desc("replica_leads", "1 for the replica that does what is done once for all.", "replica")
	exceptionsGauge = desc("exceptions_open", "Open exceptions, by cause.", "cause")
)

// Describe names nothing in advance: which series there are, a scrape says.
func (s *scrape) Describe(ch chan<- *prometheus.Desc) { ch <- s.info }

// Collect implements prometheus.Collector.
func (s *scrape) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(s.info, prometheus.GaugeValue, 1)
	s.counters(ch)
	if st, err := s.engine.Status(s.ctx); err != nil {
		s.log.Warn("the engine's gauges are missing from this scrape", "error", err)
	} else {
		gauges(ch, st)
	}
	counts, err := s.store.ExceptionCounts(s.ctx)
	if err != nil {
		s.log.Warn("the exceptions are missing from this scrape", "error", err)
	}
	for _, c := range counts {
		ch <- prometheus.MustNewConstMetric(exceptionsGauge, prometheus.GaugeValue, float64(c.Open), c.Cause)
	}
}

func (s *scrape) counters(ch chan<- prometheus.Metric) {
	e, kept := s.engine.Stats(), s.store.Statistics()
	for _, c := range []struct {
		desc *prometheus.Desc
		n    int64
	}{
		{messagesTotal, e.Messages.Load()}, {duplicatesTotal, e.Duplicates.Load()}, {eventsTotal, e.Events.Load()},
		{documentsTotal, e.Documents.Load()}, {attemptsTotal, e.Attempts.Load()}, {retriesTotal, e.Retries.Load()},
		{doubtsTotal, e.Doubts.Load()}, {resolvedTotal, e.Resolved.Load()}, {batchesTotal, e.Batches.Load()},
		{roundsTotal, e.Rounds.Load()}, {commitsTotal, kept.Commits}, {writtenTotal, kept.BytesWritten},
	} {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.n))
	}
}

// gaugeStates are the states of deliveries that a gauge shows, also at 0.
var gaugeStates = []lane.State{lane.Ready, lane.InFlight, lane.InDoubt, lane.Waiting, lane.Parked}

func gauges(ch chan<- prometheus.Metric, st engine.Status) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	set(headGauge, float64(st.LedgerHead))
	set(oldestGauge, st.Oldest.Seconds())
	set(eventsGauge, float64(st.Undecided), "undecided")
	set(eventsGauge, float64(st.Limbo), "limbo")
	set(eventsGauge, float64(st.Quarantine), "quarantined")
	for _, s := range st.Systems {
		for _, state := range gaugeStates {
			set(deliveriesGauge, float64(s.Open[state]), s.Name, string(state))
		}
		set(breakerGauge, truth(s.Breaker == "open"), s.Name)
		set(pausedGauge, truth(s.Paused != ""), s.Name)
		set(flightGauge, float64(s.UnderWay), s.Name)
		if s.PerSecond > 0 {
			set(speedGauge, s.PerSecond, s.Name)
			set(drainGauge, s.Drain.Seconds(), s.Name)
		}
	}
	for _, r := range st.Replicas {
		set(shardsGauge, float64(r.Shards), r.Name)
		set(leaseGauge, r.Lease.Seconds(), r.Name)
		set(leadsGauge, truth(r.Steward), r.Name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
