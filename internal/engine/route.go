package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// sharedPrefix begins the names of the settings by which replicas tell each
// other what they know of systems.
const sharedPrefix = "target:"

// untilSetting and headSetting name what any replica may say of a system:
// until when nothing may go to it, and how far its journal is known.
func untilSetting(t *target) string { return sharedPrefix + t.sys.Name + ":until" }
func headSetting(t *target) string  { return sharedPrefix + t.sys.Name + ":head" }

// headEvery is the time between two notes of a journal's position: the row is
// one for all replicas, and each would wait for the other's commit.
const headEvery = time.Second

// throttleMost is the longest that a word of another replica keeps a system
// waiting (system contract T1).
const throttleMost = time.Hour

// tellThrottle tells the other replicas, and the process after this one, until
// when a system asks for rest.
func (b *batch) tellThrottle(t *target) {
	b.set(untilSetting(t), t.until.UTC().Format(time.RFC3339Nano))
	if b.e.share != nil {
		b.over.Wake = true
	}
}

// heardUntil takes in until when a system asked for rest, in whatever process.
func (e *Engine) heardUntil(t *target, text string) {
	until, err := time.Parse(time.RFC3339Nano, text)
	if err == nil && until.After(t.until) && until.Before(e.opt.Now().Add(throttleMost)) {
		t.until = until
		e.due.add(dueItem{at: until, target: t.sys.Name})
	}
}

// set keeps a setting.
func (b *batch) set(name, value string) {
	if b.w.Settings == nil {
		b.w.Settings = map[string]string{}
	}
	b.w.Settings[name] = value
}

// tellTarget says what this replica found out of a system: the steward writes
// it down for all.
func (b *batch) tellTarget(t *target, s targetState) error {
	if b.e.divided() || !b.e.owns(steward) { // the steward's own word says it too
		text, err := json.Marshal(targetState{Generation: s.Generation, Head: s.Head})
		if err != nil {
			return fmt.Errorf("write the state of system %s: %w", t.sys.Name, err)
		}
		b.set(headSetting(t), string(text))
	}
	if t.paused == t.saidPause {
		return nil
	}
	t.saidPause = t.paused
	if b.e.owns(steward) {
		return nil
	}
	_, err := b.hand(b.e.base, steward, taskTarget, &handedTarget{Name: t.sys.Name, State: s})
	return err
}

// lasting reports whether a pause lasts until a person ends it; any other ends
// by itself.
func lasting(pause string) bool {
	return pause == "operator" || pause == "target_rewind" || pause == "refusals"
}

// targetAs takes in that another replica paused a system, or found that it may
// go on.
func (b *batch) targetAs(v *handedTarget) error {
	t := b.e.targets[v.Name]
	if t == nil || t.paused == "receives_nothing" || t.paused == "not_configured" {
		return nil
	}
	if v.State.Paused == "" && lasting(t.paused) || v.State.Paused == t.paused {
		return nil
	}
	t.paused = v.State.Paused
	if v.State.Generation != "" {
		t.generation = v.State.Generation
	}
	b.over.Wake = true
	return b.keepTarget(t)
}

// hear brings what the replicas say of systems into force. It is for the loop.
func (e *Engine) hear(told map[string]string) {
	for _, t := range e.order {
		e.heardUntil(t, told[untilSetting(t)])
		var s targetState
		if text := told[headSetting(t)]; text != "" && json.Unmarshal([]byte(text), &s) == nil && s.Generation == t.generation {
			t.head = max(t.head, s.Head)
		}
		e.hearPause(t, told[sharedPrefix+t.sys.Name])
	}
}

// hearPause follows the steward in pausing a system and going on with it.
func (e *Engine) hearPause(t *target, text string) {
	if text == "" || text == t.heard || t.paused == "receives_nothing" || t.paused == "not_configured" {
		return
	}
	t.heard = text
	var s targetState
	if e.owns(steward) || json.Unmarshal([]byte(text), &s) != nil {
		return
	}
	if s.Generation != "" && s.Generation != t.generation {
		t.generation, t.head, t.seen = s.Generation, s.Head, nil
	}
	switch {
	case lasting(s.Paused):
		t.paused, t.saidPause = s.Paused, s.Paused
	case s.Paused == "" && t.paused != "":
		t.paused, t.saidPause, t.failures, t.open = "", "", 0, false
		e.probeSoon(t, e.opt.Now())
	}
}

// divide gives this replica its part of every system's budget: all replicas
// have the same, and the first ones what is left over. Every replica has at
// least one request under way, or the orders of its shards would stand still.
func (e *Engine) divide() {
	e.share.mu.Lock()
	p := e.share.parts
	e.share.mu.Unlock()
	all := e.ownsAll()
	for _, t := range e.order {
		t.divide(p)
		t.partial = !all
	}
}

func (t *target) divide(p parts) {
	if p == t.part {
		return
	}
	if t.part == (parts{}) { // its budget is new
		t.whole = t.sys
	}
	t.part = p
	room := t.whole.Concurrency / p.of
	if p.at < t.whole.Concurrency%p.of {
		room++
	}
	t.sys.Concurrency = max(room, 1)
	t.sys.Rate = t.whole.Rate / float64(p.of)
	t.sys.Burst = max(t.whole.Burst/p.of, 1)
	t.room = t.sys.Concurrency
	t.limiter = limiterOf(t.sys)
}

// noteThere hands an audit entry to the steward: the log is one chain.
func (b *batch) noteThere(entry audit.Entry) {
	if _, err := b.hand(b.e.base, steward, taskAudit, &entry); err != nil {
		b.stray = err
	}
}

// broadcast tells every other replica that an entity changed: each looks at the
// orders of its own shards.
func (b *batch) broadcast(ctx context.Context, kind, entity string) error {
	if b.e.share == nil {
		return nil
	}
	b.e.share.mu.Lock()
	peers := b.e.share.peers
	b.e.share.mu.Unlock()
	for _, p := range peers {
		if p.shard < 0 || b.e.owns(p.shard) {
			continue
		}
		if _, err := b.hand(ctx, p.shard, taskTouch, &handedTouch{Kind: kind, Entity: entity}); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere hands the command to the owner of what it is about, where that is
// not this replica.
func (c *command) elsewhere(ctx context.Context, b *batch) (bool, error) {
	if b.e.share == nil {
		return false, nil
	}
	shard, err := c.home(ctx, b)
	if err != nil || shard < 0 || b.e.owns(shard) {
		return false, err
	}
	task, err := b.hand(ctx, shard, taskCommand, &c.Command)
	if err != nil {
		return false, err
	}
	b.after = append(b.after, func() { c.reply <- &passedOn{task: task} })
	return true, nil
}

// home is the shard of what a command is about; -1: of nothing that is known.
func (c *command) home(ctx context.Context, b *batch) (int, error) {
	switch c.Object {
	case ToDelivery:
		if tag, ok := waybill.TagOfKey(c.Name); ok {
			return ledger.ShardOf(tag), nil
		}
	case ToOrder:
		f, err := c.orderNamed(ctx, b)
		var wrong *waybill.Error
		if errors.As(err, &wrong) {
			return -1, nil
		}
		if err != nil {
			return 0, err
		}
		return f.row.Shard, nil
	case ToSystem:
		return steward, nil
	case ToException:
		return c.homeOfException(ctx, b)
	}
	return -1, nil
}

func (c *command) homeOfException(ctx context.Context, b *batch) (int, error) {
	x, err := b.e.store.Exception(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	if x.Waybill == 0 {
		return steward, nil
	}
	row, err := b.e.store.Waybill(ctx, x.Waybill)
	if err != nil {
		return 0, fmt.Errorf("find the owner of exception %d: %w", c.ID, err)
	}
	return row.Shard, nil
}

// commandAs carries out a command that another replica took, and answers it.
func (b *batch) commandAs(ctx context.Context, task int64, c Command) error {
	cmd := &command{Command: c}
	err := cmd.carryOut(ctx, b)
	if err == nil {
		b.note(audit.Entry{Actor: c.Actor, Action: c.Action, Object: string(c.Object) + " " + c.Name, Reason: c.Reason,
			Before: cmd.before, After: cmd.after})
	}
	return b.answer(task, reply{}, err)
}

// awaitAnswer waits until the owner has answered a task.
func (e *Engine) awaitAnswer(ctx context.Context, task int64) (string, error) {
	woken, stop := e.share.woken.subscribe()
	defer stop()
	for {
		text, err := e.share.db.TakeAnswer(ctx, task)
		switch {
		case err == nil:
			return text, nil
		case !errors.Is(err, store.ErrNotFound):
			return "", fmt.Errorf("it is handed to another replica, and its answer could not be read: %w", err)
		}
		again := time.NewTimer(lookMost)
		select {
		case <-woken:
		case <-again.C:
		case <-e.gone:
			again.Stop()
			return "", ErrStopped
		case <-ctx.Done():
			again.Stop()
			return "", fmt.Errorf("it is handed to another replica and will be carried out; no answer came in time: %w", ctx.Err())
		}
		again.Stop()
	}
}

// wantedMost is how many of the things that somebody waits for are looked for
// in one step.
const wantedMost = 64

// lookForWanted looks whether an order of another replica has brought what
// events here wait for: its own commits are noticed as they are made, the
// others' are looked for.
func (b *batch) lookForWanted(ctx context.Context) error {
	e := b.e
	n := 0
	for entity := range e.wanted {
		if n++; n > wantedMost {
			return nil
		}
		kind, value, _ := strings.Cut(entity, ":")
		if kind == "shipment" && !e.owns(steward) {
			continue
		}
		fs, err := b.ordersByRef(ctx, value)
		if err != nil {
			return err
		}
		for _, f := range fs {
			if err := b.bring(ctx, f, kind, value, len(fs) == 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring gives what waits for an order to one that is known by its name.
func (b *batch) bring(ctx context.Context, f *flow, kind, value string, alone bool) error {
	entity := kind + ":" + value
	switch kind {
	case "shipment":
		return b.adopt(ctx, f, entity)
	case "return":
		if knows, err := b.knowsReturn(ctx, f, value); err != nil || !knows {
			return err
		}
	default:
		if !alone {
			return nil
		}
	}
	return b.matchWaiting(ctx, f, entity)
}

// errStray is a change to a waybill that another replica owns: a defect, which
// the input that caused it is set aside for.
var errStray = errors.New("each change is handed to the owner of its shard; report it")

// Replica is one of several processes that share the work.
type Replica struct {
	Name    string
	Shards  int           // that it owns
	Lease   time.Duration // left of its lease, by the database's clock; below 0: it has run out
	Steward bool          // it does what is done once for all
}

// openCounts counts the events that are open in the whole database. Where
// replicas share it, deliveries and what is handed over are counted at the same
// moment.
func (e *Engine) openCounts(ctx context.Context, st *Status, systems []SystemStatus) (map[ledger.EventState]int, error) {
	if e.share == nil {
		counts, err := e.store.EventCounts(ctx)
		if err != nil {
			return nil, fmt.Errorf("count the open events: %w", err)
		}
		return counts, nil
	}
	work, err := e.share.db.OpenWork(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the open work: %w", err)
	}
	openIn(systems, work.Deliveries)
	st.Undecided = work.Tasks
	st.Replicas, err = e.Replicas(ctx)
	return work.Events, err
}

// Replicas lists those who share the work, in the order of their names; none
// where one process owns the database. Who has died is listed as long as orders
// are its.
func (e *Engine) Replicas(ctx context.Context) ([]Replica, error) {
	if e.share == nil {
		return nil, nil
	}
	owners, err := e.store.Owners(ctx)
	if err != nil {
		return nil, fmt.Errorf("look who owns what: %w", err)
	}
	var out []Replica
	for _, o := range owners.Replicas {
		if len(o.Shards) == 0 && !o.Expires.After(owners.Now) {
			continue
		}
		out = append(out, Replica{Name: o.Replica, Shards: len(o.Shards), Lease: o.Expires.Sub(owners.Now),
			Steward: len(o.Shards) > 0 && o.Shards[0] == steward})
	}
	return out, nil
}

// openIn replaces the counts of this replica's deliveries by those of the whole
// database.
func openIn(systems []SystemStatus, open map[string]map[lane.State]int) {
	for i := range systems {
		x := &systems[i]
		x.Open = map[lane.State]int{}
		for state, n := range open[x.Name] {
			x.Open[shown(state, x.Paused, x.Breaker == "open")] += n
		}
	}
}
