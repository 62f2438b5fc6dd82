// Package verify checks a database against Waybill's promises, offline and
// without changing anything: nothing that was kept has changed, every state is
// what its events make of it, every lane is in order, every document that left
// has its bytes. A process that writes meanwhile does no harm: the chains are
// judged as far as they went when the verification began, and a waybill that
// changed while it was read is read again.
package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Violation is a promise that the database does not keep.
type Violation struct {
	Rule   string `json:"rule"`   // snake_case
	Object string `json:"object"` // what breaks it
	Detail string `json:"detail"`
}

// Report is the outcome of a verification.
type Report struct {
	OK         bool        `json:"ok"`
	Messages   int         `json:"messages"`
	Events     int         `json:"events"`
	Waybills   int         `json:"waybills"`
	Deliveries int         `json:"deliveries"`
	Audit      int         `json:"audit"`
	Count      int         `json:"violation_count"`
	Violations []Violation `json:"violations"` // the first of them
}

// Limits of a verification's memory.
const (
	violationsMax = 200
	pageSize      = 500
	triesMax      = 20 // of reading a waybill that keeps changing
)

func (r *Report) add(rule, object, format string, args ...any) {
	r.Count++
	if len(r.Violations) < violationsMax {
		r.Violations = append(r.Violations, Violation{Rule: rule, Object: object, Detail: fmt.Sprintf(format, args...)})
	}
}

// Run verifies a whole database. A nil policy leaves out the refolding of the
// states, which depends on the configuration. The error is of the reading
// itself; what is wrong with the database is in the report.
func Run(ctx context.Context, db store.Store, policy *process.Policy) (Report, error) {
	r := Report{Violations: []Violation{}}
	damage, err := db.Check(ctx)
	if err != nil {
		return r, fmt.Errorf("check the database for damage: %w", err)
	}
	for _, d := range damage {
		r.add("database_damage", "database", "%s", d)
	}
	if err := chains(ctx, db, &r); err != nil {
		return r, err
	}
	if err := waybills(ctx, db, policy, &r); err != nil {
		return r, err
	}
	if err := Audit(ctx, db, &r); err != nil {
		return r, err
	}
	r.OK = r.Count == 0
	return r, nil
}

// chains follows every shard's chain and checks each message that an event
// came from.
func chains(ctx context.Context, db store.Store, r *Report) error {
	begin, err := heads(ctx, db)
	if err != nil {
		return err
	}
	var ends [ledger.ShardCount]ledger.Head
	var last [ledger.ShardCount]int64
	lastMessage := int64(0)
	for after := int64(0); ; {
		page, err := db.EventsAfter(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the events after %d: %w", after, err)
		}
		for i := range page {
			e := &page[i]
			after = e.ID
			last[e.Shard] = max(last[e.Shard], e.Seq)
			if e.Seq > begin[e.Shard].Seq {
				continue // came after the beginning, or nobody knows of it
			}
			r.Events++
			link(e, &ends[e.Shard], r)
			if e.Message != 0 && e.Message != lastMessage {
				lastMessage = e.Message
				if err := message(ctx, db, e, r); err != nil {
					return err
				}
			}
		}
		if len(page) < pageSize {
			break
		}
	}
	now, err := heads(ctx, db)
	if err != nil {
		return err
	}
	for shard, h := range begin {
		end := ends[shard]
		if end.Seq == h.Seq && last[shard] > now[shard].Seq {
			end.Seq = last[shard]
		}
		if end.Seq != h.Seq || end.Hash != h.Hash {
			r.add("chain_head", fmt.Sprintf("shard %d", shard), "the chain ends at %d, its head says %d", end.Seq, h.Seq)
		}
	}
	return nil
}

func heads(ctx context.Context, db store.Store) (all [ledger.ShardCount]ledger.Head, err error) {
	list, err := db.Heads(ctx)
	if err != nil {
		return all, fmt.Errorf("read the chains' heads: %w", err)
	}
	for _, h := range list {
		all[h.Shard] = h
	}
	return all, nil
}

func link(e *ledger.Event, end *ledger.Head, r *Report) {
	object := fmt.Sprintf("event %d", e.ID)
	if e.Seq != end.Seq+1 {
		r.add("chain_gap", object, "it is number %d of shard %d, after number %d", e.Seq, e.Shard, end.Seq)
	}
	want := *e
	want.Link(end.Hash)
	if want.Prev != e.Prev || want.Hash != e.Hash {
		r.add("chain_hash", object, "its hash does not follow from its content and the event before it")
	}
	end.Seq, end.Hash = e.Seq, e.Hash
}

func message(ctx context.Context, db store.Store, e *ledger.Event, r *Report) error {
	m, err := db.Message(ctx, e.Message)
	if errors.Is(err, store.ErrNotFound) {
		r.add("message_missing", fmt.Sprintf("event %d", e.ID), "its message %d is not there", e.Message)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read message %d: %w", e.Message, err)
	}
	r.Messages++
	if sha256.Sum256(m.Body) != m.SHA256 {
		r.add("message_changed", fmt.Sprintf("message %d", m.ID), "its bytes have another hash than when it was kept")
	}
	return nil
}

// waybills refolds every state and checks every lane.
func waybills(ctx context.Context, db store.Store, policy *process.Policy, r *Report) error {
	return each(ctx, db, func(w *ledger.Waybill) error {
		r.Waybills++
		return flow(ctx, db, policy, *w, r)
	})
}

// flow checks one waybill. What was read while a running process wrote to it is
// of two moments and is read again.
func flow(ctx context.Context, db store.Store, policy *process.Policy, w ledger.Waybill, r *Report) error {
	for try := 1; ; try++ {
		found := Report{}
		var decided map[string]bool
		if policy != nil {
			f, err := refold(ctx, db, policy, &w, &found)
			if err != nil {
				return err
			}
			f.compare()
			if err := f.comparePast(ctx, db); err != nil {
				return err
			}
			decided = f.decided
		}
		if err := lanes(ctx, db, &w, decided, &found); err != nil {
			return err
		}
		if found.Count > 0 && try < triesMax {
			now, err := db.Waybill(ctx, w.ID)
			if err != nil {
				return fmt.Errorf("read %s again: %w", w.Ref, err)
			}
			if now.Version != w.Version {
				w = now
				continue
			}
		}
		r.Deliveries += found.Deliveries
		r.Count += found.Count
		r.Violations = append(r.Violations, found.Violations[:min(len(found.Violations), violationsMax-len(r.Violations))]...)
		return nil
	}
}

// lanes checks the order of a waybill's documents, that each that was decided is
// there and no other, and that each attempted one has its bytes. decided are
// their keys; nil: not known.
func lanes(ctx context.Context, db store.Store, w *ledger.Waybill, decided map[string]bool, r *Report) error {
	ds, err := db.DeliveriesOf(ctx, w.ID)
	if err != nil {
		return fmt.Errorf("read the deliveries of %s: %w", w.Ref, err)
	}
	keys := map[string]bool{}
	seqs := map[string][]bool{}
	for i := range ds {
		d := &ds[i]
		r.Deliveries++
		if keys[d.Key] {
			r.add("key_twice", "delivery "+d.Key, "two deliveries of %s have the key", w.Ref)
		}
		keys[d.Key] = true
		if decided != nil && !decided[d.Key] {
			r.add("delivery_unknown", "delivery "+d.Key, "no event of %s decided it", w.Ref)
		}
		if !d.Attempted() {
			if d.State == lane.InFlight || d.State == lane.InDoubt {
				r.add("attempt_unnumbered", "delivery "+d.Key, "it is %s without a place in its lane", d.State)
			}
			continue
		}
		body, err := db.Body(ctx, d.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read the bytes of delivery %s: %w", d.Key, err)
		}
		if err != nil || sha256.Sum256(body.Bytes) != d.Digest {
			r.add("bytes_changed", "delivery "+d.Key, "the stored bytes of %s are missing or have another hash", d.Kind)
		}
		s := seqs[d.Target]
		for int64(len(s)) < d.Seq {
			s = append(s, false)
		}
		if s[d.Seq-1] {
			r.add("seq_twice", "delivery "+d.Key, "number %d of the lane to %s is given twice", d.Seq, d.Target)
		}
		s[d.Seq-1] = true
		seqs[d.Target] = s
	}
	for _, key := range slices.Sorted(maps.Keys(decided)) {
		if !keys[key] {
			r.add("delivery_missing", "waybill "+w.Ref, "document %s was decided and is in no lane", key)
		}
	}
	for target, s := range seqs {
		for i, used := range s {
			if !used {
				r.add("seq_gap", "waybill "+w.Ref, "number %d of the lane to %s was never used", i+1, target)
			}
		}
	}
	return nil
}

// Audit follows the audit log's chain.
func Audit(ctx context.Context, db audit.Reader, r *Report) error {
	var end audit.Entry
	for {
		page, err := db.AuditAfter(ctx, end.Seq, pageSize)
		if err != nil {
			return fmt.Errorf("read the audit log after %d: %w", end.Seq, err)
		}
		for _, e := range page {
			r.Audit++
			object := fmt.Sprintf("audit entry %d", e.Seq)
			if e.Seq != end.Seq+1 {
				r.add("audit_gap", object, "it follows number %d", end.Seq)
			}
			if e.Prev != end.Hash || e.Sum() != e.Hash {
				r.add("audit_hash", object, "its hash does not follow from its content and the entry before it")
			}
			end = e
		}
		if len(page) < pageSize {
			r.OK = r.Count == 0
			return nil
		}
	}
}
