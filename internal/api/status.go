package api

import (
	"encoding/hex"
	"net/http"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
)

// alive is the answer of /healthz.
type alive struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

func (a *API) healthz(c *call) error {
	return c.write(http.StatusOK, alive{Status: "alive", Version: a.Version})
}

// readiness says why the process can't do its work; nothing where it can.
type readiness struct {
	Reasons []string `json:"reasons"`
}

func (a *API) readyz(c *call) error {
	ready, reasons := a.Engine.Ready()
	if !ready {
		c.w.Header().Set("Retry-After", "1")
		return c.write(http.StatusServiceUnavailable, readiness{Reasons: reasons})
	}
	return c.write(http.StatusOK, readiness{})
}

// status is C2.
type status struct {
	Version     string         `json:"version"`
	Replica     string         `json:"replica"`
	ConfigRev   string         `json:"config_rev"`
	LedgerHead  int64          `json:"ledger_head"`
	LedgerHash  string         `json:"ledger_hash"` // over the heads of all chains
	Deliveries  deliveryCounts `json:"deliveries"`
	Undecided   int            `json:"undecided"`
	Limbo       int            `json:"limbo"`
	Quarantined int            `json:"quarantined"`
	OldestReady float64        `json:"oldest_ready_s"`
	Quiescent   bool           `json:"quiescent"`
	Replicas    []replica      `json:"replicas,omitzero"` // that share the database; none where it is one process's own
}

// replica is one of several processes on a database.
type replica struct {
	Name   string  `json:"name"`
	Leads  bool    `json:"leads"`   // it does what is done once for all: asks, picks up, replays
	Shards int     `json:"shards"`  // of 1,024: it decides and sends for their orders
	LeaseS float64 `json:"lease_s"` // what is left of its lease, by the database's clock; below 0: it has run out
}

// replicasOf lists who shares the database.
func replicasOf(st *engine.Status) []replica {
	var out []replica
	for _, r := range st.Replicas {
		out = append(out, replica{Name: r.Name, Leads: r.Steward, Shards: r.Shards, LeaseS: float64(r.Lease.Milliseconds()) / 1000})
	}
	return out
}

type deliveryCounts struct {
	Ready    int `json:"ready"`
	InFlight int `json:"in_flight"`
	InDoubt  int `json:"in_doubt"`
	Waiting  int `json:"waiting"`
	Parked   int `json:"parked"`
}

func (a *API) status(c *call) error {
	st, err := a.Engine.Status(c.Context())
	if err != nil {
		return err
	}
	n := st.Deliveries
	return c.write(http.StatusOK, status{
		Version: a.Version, Replica: a.Replica, ConfigRev: a.ConfigRev,
		LedgerHead: st.LedgerHead, LedgerHash: hex.EncodeToString(st.LedgerHash[:]),
		Deliveries: deliveryCounts{Ready: n[lane.Ready], InFlight: n[lane.InFlight], InDoubt: n[lane.InDoubt],
			Waiting: n[lane.Waiting], Parked: n[lane.Parked]},
		Undecided: st.Undecided, Limbo: st.Limbo, Quarantined: st.Quarantine,
		OldestReady: float64(st.Oldest.Milliseconds()) / 1000, Quiescent: st.Quiescent, Replicas: replicasOf(&st),
	})
}
