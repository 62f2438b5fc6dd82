package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// unfinished is a batch that a crash left.
type unfinished struct {
	*manifest
	folder string
}

// refresh reads what the state holds: batches by their folders, in the order
// in which they move through them, so that none is missed on its way.
func (o *outbox) refresh(ctx context.Context) ([]unfinished, error) {
	began := o.now()
	var out []unfinished
	closing := map[string]string{}
	highest := int64(0)
	for _, folder := range []string{folderBatch, folderReady, folderSent} {
		names, err := o.manifests(ctx, folder)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			seq, err := strconv.ParseInt(strings.TrimSuffix(name, manifestEnding), 10, 64)
			if err != nil {
				continue // not ours
			}
			highest = max(highest, seq)
			if folder == folderSent && o.hasRead(name) {
				continue
			}
			m, err := o.manifest(ctx, folder, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // it has moved on
			}
			if err != nil {
				return nil, err
			}
			if folder == folderSent {
				o.mu.Lock()
				o.remembered(m)
				o.mu.Unlock()
				continue
			}
			out = append(out, unfinished{m, folder})
			for _, d := range m.Documents {
				closing[d.Key] = d.Digest
			}
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing, o.highest, o.asOf = closing, max(o.highest, highest), began
	slices.SortFunc(out, func(a, b unfinished) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

func (o *outbox) hasRead(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read[name]
}

// remembered takes a batch that was sent into the index; the caller holds mu.
func (o *outbox) remembered(m *manifest) {
	o.read[m.name()] = true
	for _, d := range m.Documents {
		o.sent[d.Key] = sentDocument{file: m.File, digest: d.Digest, row: d.Row, at: m.At}
		delete(o.closing, d.Key)
		delete(o.heads, d.Key)
	}
}

func (o *outbox) manifests(ctx context.Context, folder string) ([]string, error) {
	var names []string
	err := o.files.List(ctx, path.Join(o.dir, folder), func(i connector.FileInfo) error {
		if strings.HasSuffix(i.Name, manifestEnding) {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // no batch ever: no folder
		return nil, err
	}
	return names, nil
}

func (o *outbox) manifest(ctx context.Context, folder, name string) (*manifest, error) {
	b, err := readAll(ctx, o.files, o.at(folder, name), manifestMax)
	if err != nil {
		return nil, err
	}
	m := &manifest{}
	if err := waybill.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read batch %s: %w", o.at(folder, name), err)
	}
	return m, nil
}

// forget removes what is too old to matter: batches that nobody asks about any
// more, but for the last, whose number counts, and documents whose writing was
// given up.
func (o *outbox) forget(ctx context.Context) error {
	now := o.now()
	o.mu.Lock()
	last, early := (&manifest{Seq: o.highest}).name(), now.Sub(o.forgot) < abandonedAfter
	o.mu.Unlock()
	if early {
		return nil
	}
	if err := o.removeOld(ctx, folderNew, "", now.Add(-abandonedAfter)); err != nil {
		return err
	}
	before := now.Add(-o.remember - 24*time.Hour) // a day longer than they are believed to be
	if err := o.removeOld(ctx, folderSent, last, before); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgot = now
	for key, d := range o.sent {
		if d.at.Before(before) {
			delete(o.sent, key)
		}
	}
	return nil
}

// removeOld removes the files of a folder from before a time, but for one.
func (o *outbox) removeOld(ctx context.Context, folder, but string, before time.Time) error {
	var names []string
	err := o.files.List(ctx, path.Join(o.dir, folder), func(i connector.FileInfo) error {
		if i.Modified.Before(before) && i.Name != but {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := o.files.Remove(ctx, o.at(folder, name)); err != nil {
			return err
		}
	}
	return nil
}
