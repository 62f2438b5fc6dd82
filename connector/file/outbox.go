package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// The folders of a batch within the state folder. Which of them a thing lies
// in is all that is remembered of it, so the place itself answers what became
// of a key, also for a database that was built anew:
//
//	new    documents being written; nobody reads them
//	open   documents that wait for their window, each under its key
//	batch  what the next file will hold, decided; the file may be half written
//	ready  the file lies whole in next, or has left it under its own name
//	sent   the file has been handed over
const (
	folderNew   = "new"
	folderOpen  = "open"
	folderBatch = "batch"
	folderNext  = "next"
	folderReady = "ready"
	folderSent  = "sent"
)

const (
	manifestEnding = ".json"
	manifestMax    = 64 << 20
	refusalMax     = 2 << 10
	// indexFresh is how long what was read of the state is good enough to
	// decide that a document may be added. One process writes, and it knows
	// what it wrote itself.
	indexFresh = time.Minute
)

// manifest is what a batch holds.
type manifest struct {
	Seq       int64     `json:"seq"`
	File      string    `json:"file"`
	At        time.Time `json:"at"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	Documents []placed  `json:"documents"`
}

// placed is a document's place in a batch.
type placed struct {
	Key    string `json:"key"`
	Digest string `json:"digest"`
	Row    int    `json:"row"` // its first, from 1, without the header
}

// waiting heads a document that waits; its rows follow in the next line.
type waiting struct {
	Kind   waybill.Kind `json:"kind"`
	Lane   string       `json:"lane"`
	Seq    int64        `json:"seq"`
	Digest string       `json:"digest"` // SHA-256 of its rows
	Rows   int          `json:"rows"`
}

// outbox keeps the documents of one sort of batch.
type outbox struct {
	*batch
	files    connector.Files
	now      func() time.Time
	dir      string
	remember time.Duration

	flushing sync.Mutex // one at a time

	mu      sync.Mutex
	sent    map[string]sentDocument // by key
	closing map[string]string       // key → digest: in a batch that is being written
	heads   map[string]waiting      // of what waits, as far as it was read
	read    map[string]bool         // manifests that sent was built from
	highest int64                   // of all batches so far
	asOf    time.Time               // when reading the state began
	forgot  time.Time               // when it was last looked for what is too old
}

// sentDocument is where a document was sent.
type sentDocument struct {
	file, digest string
	row          int
	at           time.Time
}

func newOutbox(s *system, b *batch) *outbox {
	return &outbox{batch: b, files: s.files, now: s.now, dir: path.Join(s.state, b.name), remember: s.remember,
		sent: map[string]sentDocument{}, closing: map[string]string{}, heads: map[string]waiting{}, read: map[string]bool{}}
}

func (o *outbox) at(folder, name string) string { return path.Join(o.dir, folder, name) }

// state is where a key is.
type state struct {
	pending bool
	sent    *sentDocument
	digest  string
	asOf    time.Time // nothing was there: what this time could not change any more
}

func (s state) found() bool { return s.pending || s.sent != nil }

// find looks for a key. fresh reads the state anew before it says that
// nothing is there.
func (o *outbox) find(ctx context.Context, key string, fresh bool) (state, error) {
	if st, ok := o.known(key); ok && st.sent != nil {
		return st, nil
	}
	began := o.now()
	w, _, err := o.readOpen(ctx, key)
	if err == nil {
		return state{pending: true, digest: w.Digest}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return state{}, err
	}
	// It may have left open for a batch meanwhile, so the index comes second.
	o.mu.Lock()
	stale := fresh || o.asOf.IsZero() || began.Sub(o.asOf) > indexFresh
	o.mu.Unlock()
	if stale {
		if _, err := o.refresh(ctx); err != nil {
			return state{}, err
		}
	}
	st, _ := o.known(key)
	st.asOf = began
	return st, nil
}

// known is what the index says of a key.
func (o *outbox) known(key string) (state, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d, ok := o.sent[key]; ok {
		return state{sent: &d, digest: d.digest}, true
	}
	digest, ok := o.closing[key]
	return state{pending: ok, digest: digest}, ok
}

// readOpen reads a document that waits for its window.
func (o *outbox) readOpen(ctx context.Context, key string) (w waiting, rows []byte, err error) {
	b, err := readAll(ctx, o.files, o.at(folderOpen, key), rowsMax*128+rowBytesMax)
	if err != nil {
		return w, nil, err
	}
	head, rows, _ := bytes.Cut(b, []byte("\n"))
	if err := waybill.Unmarshal(head, &w); err != nil {
		return w, nil, fmt.Errorf("read what waits under key %s: %w", key, err)
	}
	if digestOf(rows) != w.Digest {
		return w, nil, fmt.Errorf("what waits under key %s is not what was written: somebody changed %s", key, o.at(folderOpen, key))
	}
	return w, rows, nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func readAll(ctx context.Context, files connector.Files, name string, most int64) ([]byte, error) {
	r, err := files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", name, most)
	}
	return b, nil
}

// add puts a document among those that wait. Its name is its key, so a second
// time changes nothing.
func (o *outbox) add(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	rows, _, err := o.count(a.Body)
	if err != nil {
		return waybill.Outcome{}, err
	}
	w := waiting{Kind: a.Kind, Lane: a.Lane, Seq: a.Seq, Digest: digestOf(a.Body), Rows: rows}
	head, err := waybill.Marshal(w)
	if err != nil {
		return waybill.Outcome{}, err
	}
	content := bytes.Join([][]byte{head, a.Body}, []byte("\n"))
	if err := o.files.Write(ctx, o.at(folderNew, a.Key), bytes.NewReader(content)); err != nil {
		return notSent(err), nil // nobody reads it there
	}
	if err := ctx.Err(); err != nil {
		return notSent(err), nil
	}
	err = o.files.Rename(ctx, o.at(folderNew, a.Key), o.at(folderOpen, a.Key))
	switch {
	case errors.Is(err, connector.ErrNoConnection):
		return notSent(err), nil
	case err != nil && !errors.Is(err, fs.ErrExist): // there already: the same
		return waybill.Outcome{Verdict: waybill.InDoubt, Note: err.Error()}, nil
	}
	o.mu.Lock()
	o.heads[a.Key] = w
	o.mu.Unlock()
	return o.waits(), nil
}

func (o *outbox) waits() waybill.Outcome {
	return waybill.Outcome{Verdict: waybill.Pending,
		Note: fmt.Sprintf("waits for the next file of %s, at %s at the latest", o.name, o.next(o.now()).Format(time.RFC3339))}
}

// notSent is an attempt of which nothing can take effect.
func notSent(err error) waybill.Outcome {
	if unauthorized(err) {
		return waybill.Outcome{Verdict: waybill.Unauthorized, Note: err.Error()}
	}
	return waybill.Outcome{Verdict: waybill.NotSent, Note: err.Error()}
}

// Deliver puts a document among those that wait for the next file.
func (s *system) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	t := s.byKind[a.Kind]
	if t == nil {
		return waybill.Outcome{Verdict: waybill.Done, Receipt: withoutFile(a.Kind), Note: "by the spec no file is written for it"}, nil
	}
	o := s.boxes[t.name]
	st, err := o.find(ctx, a.Key, false)
	switch {
	case err != nil:
		return notSent(err), nil // it was only looked
	case st.found() && st.digest != digestOf(a.Body):
		return waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "key_reuse",
			Detail: fmt.Sprintf("under key %s other rows were written for order %s; compare both before anything is sent again", a.Key, a.Order)}}, nil
	case st.sent != nil:
		f := o.verdict(ctx, st)
		return outcomeOf(f), nil
	case st.pending:
		return o.waits(), nil
	}
	return o.add(ctx, a)
}

// withoutFile is the receipt of a kind for which nothing is written. A system
// that is not asked has nothing against an order.
func withoutFile(kind waybill.Kind) waybill.Receipt {
	if kind == waybill.OrderCheck {
		return waybill.Receipt{Result: []byte(`{"approved":true,"reasons":[]}`)}
	}
	return waybill.Receipt{}
}

// outcomeOf is a finding as the answer to an attempt.
func outcomeOf(f connector.Finding) waybill.Outcome {
	o := waybill.Outcome{Verdict: waybill.InDoubt, Receipt: f.Receipt, Problem: f.Problem, Note: f.Note}
	switch f.State {
	case connector.FoundApplied:
		o.Verdict, o.Receipt.Replayed = waybill.Done, true
	case connector.FoundPending:
		o.Verdict = waybill.Pending
	case connector.FoundRejected:
		o.Verdict = waybill.Refused
	}
	return o
}

// Inquire answers from the place itself what became of a key.
func (s *system) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	t := s.byKind[q.Kind]
	if t == nil {
		return connector.Finding{State: connector.FoundApplied, Receipt: withoutFile(q.Kind), Note: "by the spec no file is written for it"}, nil
	}
	o := s.boxes[t.name]
	st, err := o.find(ctx, q.Key, true)
	switch {
	case err != nil:
		return connector.Finding{State: connector.FoundUnknown, Unauthorized: unauthorized(err), Note: err.Error()}, nil
	case st.sent != nil:
		return o.verdict(ctx, st), nil
	case st.pending:
		return connector.Finding{State: connector.FoundPending, Note: o.waits().Note}, nil
	case st.asOf.Before(q.Deadline):
		return connector.Finding{State: connector.FoundUnknown, Note: "not there yet, and the last attempt's deadline is not over"}, nil
	case st.asOf.Sub(q.Deadline) > o.remember:
		return connector.Finding{State: connector.FoundUnknown, Note: fmt.Sprintf("not there, but batches of more than %s ago are forgotten; look in the system", o.remember)}, nil
	}
	return connector.Finding{State: connector.FoundAbsent, Note: "neither waiting nor in any batch"}, nil
}

// verdict is what became of a document that was sent: done, or what the
// system's acknowledgment of its batch says.
func (o *outbox) verdict(ctx context.Context, st state) connector.Finding {
	d := st.sent
	f := connector.Finding{State: connector.FoundApplied, Note: "sent in " + d.file,
		Receipt: waybill.Receipt{Ref: d.file + ":" + strconv.Itoa(d.row), AppliedAt: d.at}}
	if o.ack == nil {
		return f
	}
	folder := orElse(o.ack.Folder, o.folder)
	if o.ack.Refused != "" {
		name := path.Join(folder, beside(o.ack.Refused, d.file))
		why, err := readAll(ctx, o.files, name, refusalMax)
		if err == nil {
			f.State, f.Problem = connector.FoundRejected, waybill.Problem{Code: "batch_refused",
				Detail: fmt.Sprintf("the system refuses %s: %.500s", d.file, strings.TrimSpace(strings.ToValidUTF8(string(why), "?")))}
			return f
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return connector.Finding{State: connector.FoundUnknown, Unauthorized: unauthorized(err), Note: err.Error()}
		}
	}
	if o.ack.Taken != "" {
		_, err := o.files.Stat(ctx, path.Join(folder, beside(o.ack.Taken, d.file)))
		if err == nil {
			return f
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return connector.Finding{State: connector.FoundUnknown, Unauthorized: unauthorized(err), Note: err.Error()}
		}
	}
	f.State, f.Note = connector.FoundPending, "sent in "+d.file+", not acknowledged yet"
	f.Receipt.AppliedAt = time.Time{}
	return f
}
