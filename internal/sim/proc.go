package sim

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// timing are the waits of every run, short enough that all of them end within
// it.
var timing = lane.Timing{
	Deadline: 10 * time.Second, Settle: time.Second, BackoffMin: 200 * time.Millisecond, BackoffMax: 10 * time.Second,
	AckDeadline: 2 * time.Minute, HoldRecheck: 20 * time.Second, ProbeEvery: 30 * time.Second,
}

// roles are who takes part. The carrier only reports.
var roles = map[string]waybill.Role{"carrier": waybill.RoleCarrier, "erp": waybill.RoleERP, "shop": waybill.RoleChannel, "wms": waybill.RoleWMS}

var names = []string{"carrier", "erp", "shop", "wms"}

// proc is one process with an engine in it.
type proc struct {
	w     *world
	n     int // how many processes there were before, and this one
	s     *engine.Stepper
	store *guarded

	translators map[string]connector.Translator

	alive, frozen bool
	backlog       []func() // what happened to it while it was frozen
	out           []*errand
	errands       int
	phases        int
	stepping      bool      // a phase is on the agenda
	wake          time.Time // when it wakes by itself
	waiting       []func() bool
}

// boot starts a process on the database.
func (w *world) boot(reopen bool) {
	if w.proc != nil || w.failure != nil {
		return
	}
	if reopen && w.zombie == nil {
		if err := w.reopen(); err != nil {
			w.failure = err
			return
		}
		w.reach("reopened")
	}
	w.procs++
	p := &proc{w: w, n: w.procs, alive: true, translators: map[string]connector.Translator{}}
	p.store = &guarded{Store: w.db, w: w, p: p}
	var under store.Store = p.store
	if w.bugs.store != nil {
		under = w.bugs.store(under)
	}
	opt := engine.Options{Store: under, Policy: w.policy, Timing: timing, Replica: fmt.Sprintf("p%d", p.n),
		Now:    func() time.Time { return w.now },
		Chance: func() float64 { return float64(w.chance("jitter", w.draw(), 1000)) / 1000 },
		Go:     p.send}
	for _, name := range names {
		sys, err := p.system(name)
		if err != nil {
			w.failure = err
			return
		}
		opt.Systems = append(opt.Systems, sys)
	}
	if w.bugs.options != nil {
		w.bugs.options(&opt)
	}
	e := engine.New(opt)
	if err := e.Start(w.ctx); err != nil {
		w.failure = fmt.Errorf("start a process: %w", err)
		return
	}
	p.s = engine.NewStepper(e)
	w.proc = p
	if f, _ := w.pass("B3"); f.What != "" {
		p.crash(f)
	}
}

// draw counts the draws of the engine's own chance.
func (w *world) draw() int { w.draws++; return w.draws }

// system is a counterpart as the process is configured with it: the product's
// own connector on the simulated network.
func (p *proc) system(name string) (engine.System, error) {
	env := connector.Env{System: name, Role: roles[name], Token: "t", Now: func() time.Time { return p.w.now }}
	if p.w.systems[name] != nil {
		env.BaseURL = "http://" + name + ".example"
		env.Client = &http.Client{Transport: network{p.w, name}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	} else {
		env.Observe = true
	}
	c, err := contract.Manifest().Open(env)
	if err != nil {
		return engine.System{}, fmt.Errorf("open the connector of %s: %w", name, err)
	}
	c.Publisher = nil
	sys := engine.System{Name: name, Role: roles[name], Manifest: contract.Manifest(), Conn: c}
	if p.w.bugs.system != nil {
		sys = p.w.bugs.system(sys)
	}
	p.translators[name] = sys.Conn.Translator
	return sys, nil
}

// reopen closes the database and opens it again, as a new process does.
func (w *world) reopen() error {
	if err := w.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	db, err := sqlite.Open(w.ctx, w.dir, sqlite.Options{})
	w.db = db
	return err
}

// whenAwake does something to the process now, or when it is thawed.
func (p *proc) whenAwake(f func()) {
	switch {
	case !p.alive:
	case p.frozen:
		p.backlog = append(p.backlog, f)
	default:
		f()
	}
}

// poke puts the next phase of a process on the agenda, where it has one.
func (w *world) poke(p *proc) {
	if p == nil || !p.alive || p.frozen || p.stepping {
		return
	}
	if p.s.Finishable() || p.s.Writable() || p.s.Decidable() {
		p.stepping = true
		p.phases++
		wait := time.Duration(w.chance("phase", p.n<<20+p.phases, 4000)) * time.Microsecond
		if w.chance("pause", p.n<<20+p.phases, 12) == 0 {
			wait *= 30
		}
		w.in(wait, p.step)
		return
	}
	if due, some := p.s.Due(); some && !due.Equal(p.wake) {
		p.wake = due
		w.at(due, func() {})
	}
}

// step takes one phase of the engine.
func (p *proc) step() {
	p.stepping = false
	if !p.alive || p.frozen {
		return
	}
	w := p.w
	var can []int
	for i, ok := range []bool{p.s.Finishable(), p.s.Writable(), p.s.Decidable()} {
		if ok {
			can = append(can, i)
		}
	}
	if len(can) == 0 {
		return
	}
	var err error
	switch can[w.chance("which", p.n<<20+p.phases, len(can))] {
	case 0:
		err = p.s.Finish(w.ctx)
	case 1:
		p.s.Write(w.ctx)
	case 2:
		err = p.s.Decide(w.ctx, 1+w.chance("bite", p.n<<20+p.phases, 8))
	}
	if f := p.store.doom; f != nil {
		p.crash(*f)
		return
	}
	if errors.Is(err, store.ErrFenced) {
		w.reach("fenced")
	}
	if err != nil {
		p.crash(Fault{What: "ended"})
		return
	}
	p.listen()
}

// listen takes the answers that the last phase gave.
func (p *proc) listen() {
	left := p.waiting[:0]
	for _, said := range p.waiting {
		if !said() {
			left = append(left, said)
		}
	}
	p.waiting = left
}

// crash is the death of the process, and the start of the next a while later.
func (p *proc) crash(f Fault) {
	w := p.w
	w.note("crash")
	p.die()
	switch p {
	case w.zombie:
		w.zombie = nil
	case w.proc:
		w.proc = nil
		wait := ms(200 + f.MS)
		reopen := w.chance("reopen", w.procs, 3) == 0
		w.in(wait, func() { w.boot(reopen) })
	}
}

func (p *proc) die() {
	p.alive = false
	p.s.Abandon()
	for _, c := range p.out {
		c.drop()
	}
	p.out = nil
}

// freeze stops a process for a while. Its successor takes over; then it goes
// on and believes that nothing has happened.
func (w *world) freeze(f Fault) {
	p := w.proc
	if p == nil || w.zombie != nil || w.calm() {
		return
	}
	w.reach("frozen")
	p.frozen, w.zombie, w.proc = true, p, nil
	w.in(time.Second, func() { w.boot(false) })
	w.in(time.Second+ms(f.MS), func() {
		p.frozen = false
		for _, do := range p.backlog {
			if p.alive {
				do()
			}
		}
		p.backlog = nil
	})
	w.in(21*time.Second+ms(f.MS), func() {
		if w.zombie == p {
			p.crash(f)
		}
	})
}
