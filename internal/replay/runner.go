package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/store"
)

// Limits of the runner.
const (
	runsKept   = 64 // replays that can still be asked for
	runTimeout = 6 * time.Hour
)

// The settings that hold the records: the number of the last replay, and a ring
// of the last ones.
const (
	settingLast = "replay.last"
	settingSlot = "replay.slot." // with the number's place in the ring
)

// State is how far a replay has come.
type State string

// The states of a replay.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed" // Error says why; start it again
)

// Result is a replay as C8 shows it.
type Result struct {
	ID        string    `json:"id"`
	State     State     `json:"state"`
	Error     string    `json:"error,omitzero"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Order     string    `json:"order,omitzero"`
	DryRun    bool      `json:"dry_run"`
	Replica   string    `json:"replica,omitzero"` // that runs it, where several share the database
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason,omitzero"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Progress  Progress  `json:"progress"`
	*Report
}

// Keeper is the engine: it keeps the records, and brings what a live replay
// found into force.
type Keeper interface {
	Engine
	Remember(ctx context.Context, name, value string, entry *audit.Entry) error
	Claim(ctx context.Context, c engine.Claim) error
	Name() string
	Lives(ctx context.Context, replica string) (bool, error)
}

// Store is what the runner reads.
type Store interface {
	Reader
	Setting(ctx context.Context, name string) (string, error)
}

// Runner runs replays in the background, one at a time, and keeps the last of
// them in the database.
type Runner struct {
	db  Store
	eng Keeper
	now func() time.Time

	mu      sync.Mutex
	conf    Configuration
	running *Result // nil: none is
	cancel  context.CancelFunc
	ended   chan struct{}
	closed  bool
}

// NewRunner makes a runner. now is the clock.
func NewRunner(db Store, eng Keeper, conf Configuration, now func() time.Time) *Runner {
	return &Runner{db: db, eng: eng, conf: conf, now: now}
}

// Reconfigure gives the runner the configuration in force; a replay that runs
// ends with the one it began with.
func (r *Runner) Reconfigure(conf Configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conf = conf
}

// Start begins a replay and returns its id at once. A request that can't be
// carried out is a [*waybill.Error].
func (r *Runner) Start(ctx context.Context, req Request) (string, error) {
	switch {
	case req.Order == "" && req.From.IsZero() && req.To.IsZero():
		return "", &waybill.Error{Code: "window_missing", Field: "/from", Detail: "it is not said what to read again",
			Fix: "name from and to, or an order; a window may be open at one end"}
	case !req.From.IsZero() && !req.To.IsZero() && !req.From.Before(req.To):
		return "", &waybill.Error{Code: "window_empty", Field: "/to", Detail: "the window ends before it begins", Fix: "let to be later than from"}
	case req.Live && strings.TrimSpace(req.Reason) == "":
		return "", &waybill.Error{Code: "reason_missing", Field: "/reason", Detail: "a live replay needs a reason",
			Fix: "say why in a few words; it is kept in the audit log"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil || r.closed {
		return "", errRunning(r.runningID())
	}
	n, was, err := r.next(ctx)
	if err != nil {
		return "", err
	}
	res := &Result{ID: replayID(n), State: Running, From: req.From, To: req.To, Order: req.Order, DryRun: !req.Live,
		Replica: r.eng.Name(), Actor: req.Actor, Reason: req.Reason, StartedAt: r.now().UTC()}
	if err := r.begin(ctx, n, was, res, req); err != nil {
		return "", err
	}
	ctx, r.cancel = context.WithTimeout(context.WithoutCancel(ctx), runTimeout)
	r.running, r.ended = res, make(chan struct{})
	go r.run(ctx, n, req, r.conf, r.ended)
	return res.ID, nil
}

func errRunning(id string) error {
	return &waybill.Error{Code: "replay_running", Detail: "a replay is running", Fix: "wait for its end: GET /api/v1/replays/" + id}
}

func (r *Runner) runningID() string {
	if r.running == nil {
		return ""
	}
	return r.running.ID
}

// begin keeps the record, and that somebody asked for a live replay. Of several
// replicas that begin one at once, one does.
func (r *Runner) begin(ctx context.Context, n int64, was string, res *Result, req Request) error {
	var entry *audit.Entry
	if req.Live {
		what := "order " + req.Order
		if req.Order == "" {
			what = "messages from " + stamp(req.From) + " to " + stamp(req.To)
		}
		entry = &audit.Entry{Actor: req.Actor, Action: "replay", Object: what, Reason: req.Reason}
	}
	text, err := written(*res)
	if err != nil {
		return err
	}
	err = r.eng.Claim(ctx, engine.Claim{Name: settingLast, Was: was, Entry: entry,
		Set: map[string]string{settingLast: strconv.FormatInt(n, 10), slot(n): text}})
	if errors.Is(err, engine.ErrTaken) {
		return errRunning(res.ID)
	}
	if err != nil {
		return fmt.Errorf("keep the record of replay %s: %w", res.ID, err)
	}
	return nil
}

// run carries a replay out.
func (r *Runner) run(ctx context.Context, n int64, req Request, conf Configuration, ended chan<- struct{}) {
	defer close(ended)
	rep, err := Run(ctx, r.db, conf, req, r.now().UTC(), r.eng, func(p Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running.Progress = p
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
	res := *r.running
	res.State, res.Report, res.EndedAt = Done, rep, r.now().UTC()
	if err != nil {
		res.State, res.Error = Failed, err.Error()
	}
	// The record is kept even where the replay was told to stop.
	if err := r.keep(context.WithoutCancel(ctx), n, res); err != nil && res.Error == "" {
		res.State, res.Error = Failed, err.Error()
	}
	r.running = nil
}

// Close stops a replay that runs; its record says so.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	ended := r.ended
	if r.running != nil {
		r.cancel()
	}
	r.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// Get answers with a [*Result], or [store.ErrNotFound].
func (r *Runner) Get(ctx context.Context, id string) (any, error) {
	r.mu.Lock()
	if r.running != nil && r.running.ID == id {
		res := *r.running
		res.Report = &Report{WouldSend: []Document{}, Differs: []Difference{}}
		r.mu.Unlock()
		return &res, nil
	}
	r.mu.Unlock()
	n, err := strconv.ParseInt(strings.TrimPrefix(id, idPrefix), 10, 64)
	if err != nil || replayID(n) != id {
		return nil, fmt.Errorf("no replay is called %.60q: %w", id, store.ErrNotFound)
	}
	res, err := r.record(ctx, n)
	if err != nil {
		return nil, err
	}
	if res.State == Running {
		alive, err := r.eng.Lives(ctx, res.Replica)
		if err != nil {
			return nil, err
		}
		if !alive { // it was of a process that is not there any more
			res.State, res.Error = Failed, "the process ended while it ran; start it again: it goes on where it stopped"
		}
	}
	return res, nil
}

// record reads what is kept of a replay.
func (r *Runner) record(ctx context.Context, n int64) (*Result, error) {
	id := replayID(n)
	text, err := r.db.Setting(ctx, slot(n))
	if err != nil {
		return nil, fmt.Errorf("no replay is called %s: %w", id, err)
	}
	res := &Result{Report: &Report{}}
	if err := waybill.Unmarshal([]byte(text), res); err != nil {
		return nil, fmt.Errorf("read the record of replay %s: %w", id, err)
	}
	if res.ID != id {
		return nil, fmt.Errorf("replay %s is not kept any more: %w", id, store.ErrNotFound)
	}
	return res, nil
}

// next is the number of the next replay, and the setting that it follows. None
// is begun while another replica runs one.
func (r *Runner) next(ctx context.Context) (n int64, was string, err error) {
	was, err = r.db.Setting(ctx, settingLast)
	if errors.Is(err, store.ErrNotFound) {
		return 1, "", nil
	}
	if err == nil {
		n, err = strconv.ParseInt(was, 10, 64)
	}
	if err != nil {
		return 0, "", fmt.Errorf("read the number of the last replay: %w", err)
	}
	last, err := r.record(ctx, n)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, "", err
	}
	if err == nil && last.State == Running {
		alive, err := r.eng.Lives(ctx, last.Replica)
		if err != nil {
			return 0, "", err
		}
		if alive {
			return 0, "", errRunning(last.ID)
		}
	}
	return n + 1, was, nil
}

// keep writes a record anew.
func (r *Runner) keep(ctx context.Context, n int64, res Result) error {
	text, err := written(res)
	if err != nil {
		return err
	}
	if err := r.eng.Remember(ctx, slot(n), text, nil); err != nil {
		return fmt.Errorf("keep the record of replay %s: %w", res.ID, err)
	}
	return nil
}

func written(res Result) (string, error) {
	if res.Report == nil {
		res.Report = &Report{WouldSend: []Document{}, Differs: []Difference{}}
	}
	text, err := waybill.Marshal(&res)
	if err != nil {
		return "", fmt.Errorf("write the record of replay %s: %w", res.ID, err)
	}
	return string(text), nil
}

const idPrefix = "rep_"

func replayID(n int64) string { return idPrefix + strconv.FormatInt(n, 10) }

func slot(n int64) string { return settingSlot + strconv.FormatInt(n%runsKept, 10) }
