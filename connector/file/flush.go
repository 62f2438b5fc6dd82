package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const (
	// lookEvery is how often it is looked whether a batch is full before its
	// window ends.
	lookEvery = 10 * time.Second
	// abandonedAfter is when a document half written is nobody's any more.
	abandonedAfter = time.Hour
)

// Flush implements [connector.Batcher].
func (s *system) Flush(ctx context.Context) (next time.Time, err error) {
	var failed []error
	next = s.now().Add(lookEvery)
	for _, name := range s.batchNames() {
		o := s.boxes[name]
		if err := o.flush(ctx); err != nil {
			failed = append(failed, fmt.Errorf("write the files of %s: %w", name, err))
		}
		if at := o.next(s.now()); at.Before(next) {
			next = at
		}
	}
	return next, errors.Join(failed...)
}

// flush ends what a crash left, then closes the window if it is time.
func (o *outbox) flush(ctx context.Context) error {
	o.flushing.Lock()
	defer o.flushing.Unlock()
	unfinished, err := o.refresh(ctx)
	if err != nil {
		return err
	}
	for _, u := range unfinished {
		if err := o.finish(ctx, u.manifest, u.folder, nil); err != nil {
			return err
		}
	}
	if err := o.forget(ctx); err != nil {
		return err
	}
	docs, err := o.open(ctx)
	if err != nil || len(docs) == 0 {
		return err
	}
	now := o.now()
	rows := 0
	closed := false // the window
	for _, d := range docs {
		rows += d.Rows
		closed = closed || d.since.Before(o.boundary(now))
	}
	for len(docs) > 0 && (closed || rows >= o.rows) {
		n, held := 1, docs[0].Rows
		for n < len(docs) && held+docs[n].Rows <= o.rows {
			held += docs[n].Rows
			n++
		}
		if err := o.close(ctx, docs[:n], now); err != nil {
			return err
		}
		docs, rows = docs[n:], rows-held
	}
	return nil
}

// document is one that waits.
type document struct {
	waiting
	key   string
	rows  []byte
	since time.Time
}

// open reads what waits, in the order in which it shall stand in the file:
// lanes by their oldest document, within a lane by seq.
func (o *outbox) open(ctx context.Context) ([]*document, error) {
	var docs []*document
	err := o.files.List(ctx, path.Join(o.dir, folderOpen), func(i connector.FileInfo) error {
		docs = append(docs, &document{key: i.Name, since: i.Modified})
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing ever waited: no folder
		return nil, err
	}
	oldest := map[string]time.Time{}
	kept := docs[:0]
	for _, d := range docs {
		if st, _ := o.known(d.key); st.sent != nil { // came back late, or was left behind
			if err := o.files.Remove(ctx, o.at(folderOpen, d.key)); err != nil {
				return nil, err
			}
			continue
		}
		if d.waiting, err = o.head(ctx, d.key); err != nil {
			return nil, err
		}
		if first, ok := oldest[d.Lane]; !ok || d.since.Before(first) {
			oldest[d.Lane] = d.since
		}
		kept = append(kept, d)
	}
	slices.SortFunc(kept, func(a, b *document) int {
		return cmp.Or(oldest[a.Lane].Compare(oldest[b.Lane]), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.key, b.key))
	})
	return kept, nil
}

// head is what is noted of a document that waits.
func (o *outbox) head(ctx context.Context, key string) (waiting, error) {
	o.mu.Lock()
	w, known := o.heads[key]
	o.mu.Unlock()
	if known {
		return w, nil
	}
	w, _, err := o.readOpen(ctx, key)
	if err == nil {
		o.mu.Lock()
		o.heads[key] = w
		o.mu.Unlock()
	}
	return w, err
}

// close decides the next batch, then writes it. From the manifest on, its
// content and its number stand.
func (o *outbox) close(ctx context.Context, docs []*document, at time.Time) error {
	o.mu.Lock()
	seq := o.highest + 1
	o.mu.Unlock()
	m := &manifest{Seq: seq, File: o.fileName(seq, at), At: at.UTC()}
	row := 1
	for _, d := range docs {
		var err error
		if d.waiting, d.rows, err = o.readOpen(ctx, d.key); err != nil {
			return err
		}
		m.Documents = append(m.Documents, placed{Key: d.key, Digest: d.Digest, Row: row})
		row += d.Rows
	}
	content, err := o.content(seq, docs)
	if err != nil {
		return err
	}
	m.Size, m.SHA256 = int64(len(content)), digestOf(content)
	text, err := waybill.Marshal(m)
	if err != nil {
		return err
	}
	draft := o.at(folderNext, m.name()+".draft")
	if err := o.files.Write(ctx, draft, bytes.NewReader(text)); err != nil {
		return err
	}
	if err := o.files.Rename(ctx, draft, o.at(folderBatch, m.name())); err != nil {
		return fmt.Errorf("begin batch %d: %w", seq, err)
	}
	o.mu.Lock()
	o.highest = seq
	for _, d := range m.Documents {
		o.closing[d.Key] = d.Digest
	}
	o.mu.Unlock()
	return o.finish(ctx, m, folderBatch, content)
}

func (m *manifest) name() string { return fmt.Sprintf("%09d%s", m.Seq, manifestEnding) }

// content is the whole file.
func (o *outbox) content(seq int64, docs []*document) ([]byte, error) {
	var rows []byte
	for _, d := range docs {
		rows = append(rows, d.rows...)
	}
	head, err := o.header()
	if err != nil {
		return nil, err
	}
	foot, err := o.foot(seq, len(docs), rows)
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, rows, foot), nil
}

// finish brings a batch from where it is to sent. Each step is true already or
// made true, so that a crash between any two repeats harmlessly. The file's
// own name is given once: it can't be in next and handed over.
func (o *outbox) finish(ctx context.Context, m *manifest, folder string, content []byte) error {
	if folder == folderBatch {
		if err := o.writeFile(ctx, m, content); err != nil {
			return err
		}
		if err := o.advance(ctx, m, folderBatch, folderReady); err != nil {
			return err
		}
	}
	if err := o.handOver(ctx, m); err != nil {
		return err
	}
	for _, d := range m.Documents {
		if err := o.files.Remove(ctx, o.at(folderOpen, d.Key)); err != nil {
			return err
		}
	}
	if err := o.advance(ctx, m, folderReady, folderSent); err != nil {
		return err
	}
	o.mu.Lock()
	o.remembered(m)
	o.mu.Unlock()
	return nil
}

// advance moves a manifest into its next folder. One that is there already was
// moved by a server that renames in two steps, before a crash.
func (o *outbox) advance(ctx context.Context, m *manifest, from, to string) error {
	err := o.files.Rename(ctx, o.at(from, m.name()), o.at(to, m.name()))
	if errors.Is(err, fs.ErrExist) {
		return o.files.Remove(ctx, o.at(from, m.name()))
	}
	return err
}

// partName is the file while it is written.
func (m *manifest) partName() string { return strings.TrimSuffix(m.name(), manifestEnding) + ".part" }

// writeFile writes the file under a name that only Waybill knows, unless it
// lies there whole.
func (o *outbox) writeFile(ctx context.Context, m *manifest, content []byte) error {
	part := o.at(folderNext, m.partName())
	if whole, err := o.whole(ctx, part, m); whole || err != nil {
		return err
	}
	if content == nil {
		docs := make([]*document, len(m.Documents))
		for i, p := range m.Documents {
			d := &document{key: p.Key}
			var err error
			if d.waiting, d.rows, err = o.readOpen(ctx, p.Key); err != nil {
				return err
			}
			docs[i] = d
		}
		var err error
		if content, err = o.content(m.Seq, docs); err != nil {
			return err
		}
	}
	if digestOf(content) != m.SHA256 {
		return fmt.Errorf("batch %d was begun with another content: put the spec back as it was until %s is written", m.Seq, m.File)
	}
	if err := o.files.Write(ctx, part, bytes.NewReader(content)); err != nil {
		return err
	}
	whole, err := o.whole(ctx, part, m)
	if err == nil && !whole {
		err = fmt.Errorf("%s is not as it was written", part)
	}
	return err
}

// whole reports whether a file has the batch's size and content.
func (o *outbox) whole(ctx context.Context, name string, m *manifest) (bool, error) {
	info, err := o.files.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size != m.Size {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b, err := readAll(ctx, o.files, name, m.Size)
	return err == nil && digestOf(b) == m.SHA256, err
}

// handOver gives the file the name under which the system takes it. Where it
// is in next no more, it has that name, or the system has taken it.
func (o *outbox) handOver(ctx context.Context, m *manifest) error {
	part, final := o.at(folderNext, m.partName()), path.Join(o.folder, m.File)
	err := o.files.Rename(ctx, part, final)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, gone := o.files.Stat(ctx, part); errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	// A server that renames in two steps, and a crash between them; or a file
	// that is not ours.
	ours, err := o.whole(ctx, final, m)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("there is another file %s: move it away, or change the batch's file name", final)
	}
	return o.files.Remove(ctx, part)
}
