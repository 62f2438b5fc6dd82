package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
)

const (
	// partsAtOnce messages of a file wait for their commit together, and so
	// many bytes of them.
	partsAtOnce     = 64
	partsBytes      = 32 << 20
	companionMax    = 64 << 10
	rejectedBytes   = 64 << 10 // kept of a rejected file that is no message in size
	rejectedHowMuch = "the first %d of its bytes are kept here, all of it in the file"
)

// dropped is a claimed file whose bytes lie in the spool.
type dropped struct {
	work     string // its name in the work folder
	name     string
	received time.Time // when it was claimed: the same however often it is read
	size     int64
	sum      [sha256.Size]byte
	content  *os.File
	with     []byte // the companion
}

// errWaits is of a file with a message that waits for what it builds on.
var errWaits = errors.New("a message of the file waits for what it builds on")

// errReject is why a file is not taken, whole.
type errReject struct{ reason string }

// Error is the reason.
func (e *errReject) Error() string { return e.reason }

func rejectf(format string, args ...any) error { return &errReject{fmt.Sprintf(format, args...)} }

// take brings a claimed file to its end: done or rejected. Any error leaves it
// in the work folder, for the next round.
func (p *Pickup) take(ctx context.Context, work string) (err error) {
	d, err := p.fetch(ctx, work)
	if d == nil {
		return err
	}
	defer func() { err = errors.Join(err, d.content.Close(), os.Remove(d.content.Name())) }()
	parts := 0
	if err == nil {
		parts, err = p.inspect(d)
	}
	if err == nil {
		err = p.keepParts(ctx, d, parts)
	}
	var no *errReject
	if errors.As(err, &no) {
		return p.reject(ctx, d, no.reason)
	}
	if errors.Is(err, errWaits) {
		return nil // it stays claimed, and is read again in the next round
	}
	if err != nil {
		return fmt.Errorf("take %s: %w", d.name, err)
	}
	if err := p.settle(ctx, work, p.drop.Done); err != nil {
		return err
	}
	p.opt.Log.Info("a file was taken", "system", p.system, "drop", p.drop.Name, "file", d.name, "messages", parts)
	return nil
}

// fetch copies a claimed file into the spool. Its hash, its size and all that
// is read from it are then of the same bytes, also where the line breaks or
// its writer had not finished. Nothing and no error: somebody else had it.
func (p *Pickup) fetch(ctx context.Context, work string) (_ *dropped, err error) {
	at, name, _ := claimOf(work)
	d := &dropped{work: work, name: name, received: at}
	info, err := p.files.Stat(ctx, path.Join(p.drop.Work, work))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.size = info.Size
	if d.with, err = p.fetchCompanion(ctx, work, name); err != nil {
		return nil, err
	}
	limit := d.size
	tooLarge := p.drop.FileMax > 0 && d.size > p.drop.FileMax
	if tooLarge {
		limit = min(limit, rejectedBytes)
	}
	if d.content, err = os.CreateTemp(p.opt.Spool, "file-*"); err != nil {
		return nil, fmt.Errorf("make room for %s: %w", name, err)
	}
	defer func() {
		if err != nil && !errors.As(err, new(*errReject)) {
			err = errors.Join(err, d.content.Close(), os.Remove(d.content.Name()))
			d.content = nil
		}
	}()
	sum := sha256.New()
	if err := p.copy(ctx, work, d.content, sum, limit); err != nil {
		return nil, err
	}
	d.sum = [sha256.Size]byte(sum.Sum(nil))
	if tooLarge {
		return d, rejectf("the file has %d bytes, and files of %s may have %d; raise file_max, or have it sent in parts",
			d.size, p.drop.Name, p.drop.FileMax)
	}
	return d, nil
}

// copy reads exactly limit bytes of a claimed file; fewer are an error, and so
// are more unless it is only its beginning that is wanted.
func (p *Pickup) copy(ctx context.Context, work string, to io.Writer, sum hash.Hash, limit int64) error {
	r, err := p.files.Open(ctx, path.Join(p.drop.Work, work))
	if err != nil {
		return err
	}
	n, err := io.Copy(&limited{to: io.MultiWriter(to, sum), left: limit}, r)
	if errors.Is(err, errEnough) {
		n, err = limit, nil
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read %s: %w", work, err)
	}
	if n != limit {
		return fmt.Errorf("read %s: %d of %d bytes came", work, n, limit)
	}
	return nil
}

var errEnough = errors.New("enough was read")

// limited writes no more than it shall. The source keeps its WriteTo, by which
// a place far away is read ahead.
type limited struct {
	to   io.Writer
	left int64
}

// Write writes what there is room for.
func (l *limited) Write(b []byte) (int, error) {
	if int64(len(b)) <= l.left {
		l.left -= int64(len(b))
		return l.to.Write(b)
	}
	n, err := l.to.Write(b[:l.left])
	l.left = 0
	if err == nil {
		err = errEnough
	}
	return n, err
}

// fetchCompanion moves the companion beside its claimed file and reads it.
func (p *Pickup) fetchCompanion(ctx context.Context, work, name string) ([]byte, error) {
	if p.drop.Companion == "" {
		return nil, nil
	}
	at := path.Join(p.drop.Work, companionWork(work))
	err := p.files.Rename(ctx, path.Join(p.drop.Folder, p.companionOf(name)), at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	r, err := p.files.Open(ctx, at)
	for _, folder := range []string{p.drop.Done, p.drop.Rejected} {
		if errors.Is(err, fs.ErrNotExist) { // it went ahead, before a crash
			r, err = p.files.Open(ctx, path.Join(folder, companionWork(work)))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the companion of %s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, companionMax))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read the companion of %s: %w", name, err)
	}
	return b, nil
}

// read hands out a file's messages, from the beginning.
func (p *Pickup) read(d *dropped, each func(n int, part connector.Part) error) error {
	if _, err := d.content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s from the spool: %w", d.name, err)
	}
	n := 0
	err := p.conn.Collector.Read(connector.DroppedFile{Drop: p.drop.Name, Name: d.name, Companion: d.with,
		Content: io.LimitReader(d.content, d.size)}, func(part connector.Part) error {
		n++
		return each(n, part)
	})
	var not *connector.Untranslatable
	if errors.As(err, &not) {
		return &errReject{not.Error()}
	}
	return err
}

// inspect reads a file to its end before any of it is believed: a wrong
// control total at the end, or one wrong row where the whole counts, must find
// nothing committed. It counts the messages.
func (p *Pickup) inspect(d *dropped) (parts int, err error) {
	err = p.read(d, func(n int, part connector.Part) error {
		parts = n
		if int64(len(part.Body)) > p.opt.MaxBody {
			return rejectf("line %d: a message of %d bytes is above limits.max_body (%d); raise it, or have less sent in one group",
				part.Line, len(part.Body), p.opt.MaxBody)
		}
		if !p.drop.Whole {
			return nil
		}
		if _, reason, _ := translate(p.opt.Log, p.conn.Translator, p.message(d, n, part)); reason != "" {
			return &errReject{reason}
		}
		return nil
	})
	return parts, err
}

// message is a part of a file as its connector's Translator gets it.
func (p *Pickup) message(d *dropped, n int, part connector.Part) connector.Message {
	h := http.Header{
		"Waybill-File":        {d.name},
		"Waybill-File-Sha256": {hex.EncodeToString(d.sum[:])},
		"Waybill-File-Part":   {strconv.Itoa(n)},
	}
	if part.Line > 0 {
		h["Waybill-File-Line"] = []string{strconv.Itoa(part.Line)}
	}
	return connector.Message{System: p.system, Topic: part.Topic, Header: h, Body: part.Body, ReceivedAt: d.received}
}

// keepParts commits every message of a file. Many wait for one commit.
func (p *Pickup) keepParts(ctx context.Context, d *dropped, parts int) error {
	if parts == 0 { // a file without a message leaves its trace all the same
		return p.keepFile(ctx, d, p.fileID(d)+".0", ledger.Accepted, "")
	}
	if p.drop.Same == connector.SameName { // before any part: with other content none of them may be taken
		if err := p.keepName(ctx, d); err != nil {
			return err
		}
	}
	room, waits := semaphore.NewWeighted(partsBytes), atomic.Bool{}
	group, keeping := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	err := p.read(d, func(n int, part connector.Part) error {
		weight := min(int64(len(part.Body)), partsBytes)
		if err := room.Acquire(keeping, weight); err != nil {
			return err
		}
		group.Go(func() error {
			defer room.Release(weight)
			err := p.keepPart(keeping, d, n, part)
			if errors.Is(err, errWaits) { // the others don't
				waits.Store(true)
				return nil
			}
			return err
		})
		return nil
	})
	if err := errors.Join(group.Wait(), ignoreCancelled(err)); err != nil {
		return err
	}
	if waits.Load() {
		return errWaits
	}
	return nil
}

// keepName keeps which content came under a name, where the name alone says
// which files are the same.
func (p *Pickup) keepName(ctx context.Context, d *dropped) error {
	body := fmt.Appendf(nil, "sha256 %x, %d bytes\n", d.sum, d.size)
	m := p.message(d, 0, connector.Part{})
	_, err := p.keep(ctx, d, ledger.Message{Source: p.system, DedupeID: p.fileID(d) + ".file", Topic: p.drop.Name, Status: ledger.Accepted,
		ReceivedAt: d.received, SHA256: sha256.Sum256(body), Header: headers(m.Header), Body: body}, nil)
	return err
}

// ignoreCancelled drops the echo of a failure in the group.
func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (p *Pickup) keepPart(ctx context.Context, d *dropped, n int, part connector.Part) error {
	id := part.ID
	if id == "" {
		id = strconv.Itoa(n)
	}
	m := p.message(d, n, part)
	m.MayWait = p.opt.Now().Before(d.received.Add(p.opt.Wait))
	events, reason, waits := translate(p.opt.Log, p.conn.Translator, m)
	if waits {
		p.opt.Log.Debug("a message waits in its file", "system", p.system, "file", d.name, "message", n, "reason", reason)
		return errWaits
	}
	if p.drop.Same != connector.SameMessage || part.ID == "" {
		id = p.fileID(d) + "." + id
	}
	row := ledger.Message{Source: p.system, DedupeID: id, Topic: m.Topic, Status: ledger.Accepted,
		ReceivedAt: d.received, SHA256: sha256.Sum256(m.Body), Header: headers(m.Header), Body: m.Body}
	if reason != "" {
		row.Status, row.Reason, events = ledger.Quarantined, reason, nil
	}
	kept, err := p.keep(ctx, d, row, events)
	if err != nil || !kept.Duplicate || kept.ReceivedAt.UnixMilli() == d.received.UnixMilli() { // the same claim is the same file, read again
		return err
	}
	return p.repeated(ctx, d, row, m, !kept.Conflict)
}

// repeated keeps what a counterpart is to hear of a message that came before,
// once for each file that it comes in.
func (p *Pickup) repeated(ctx context.Context, d *dropped, row ledger.Message, m connector.Message, same bool) error {
	r, wants := p.conn.Collector.(connector.Repeater)
	if !wants {
		return nil
	}
	events, err := r.Repeated(m, same)
	if err != nil {
		return fmt.Errorf("say what is owed for a message that came before: %w", err)
	}
	if len(events) == 0 {
		return nil
	}
	stamp, _, _ := strings.Cut(d.work, "~")
	row.DedupeID, row.Status, row.Reason = row.DedupeID+"."+stamp, ledger.Accepted, ""
	_, err = p.keep(ctx, d, row, events)
	return err
}

func (p *Pickup) keep(ctx context.Context, d *dropped, row ledger.Message, events []waybill.Event) (engine.Kept, error) {
	kept, err := p.opt.Keeper.Keep(ctx, row, events)
	if err != nil {
		return kept, err
	}
	if kept.Conflict && p.drop.Same == connector.SameMessage {
		return kept, nil // told as an exception; the other messages of the file are their own
	}
	if kept.Conflict {
		return kept, rejectf("a file of the name %s was taken before with other content, as message %s; that one stands. Send what is new under a name of its own",
			d.name, MessageID(kept.Message))
	}
	return kept, nil
}

// fileID begins the ids of a file's messages: two files with one are the same.
func (p *Pickup) fileID(d *dropped) string {
	content, name := hex.EncodeToString(d.sum[:16]), sha256.Sum256([]byte(d.name))
	switch p.drop.Same {
	case connector.SameContent:
		return content
	case connector.SameName:
		return "name." + hex.EncodeToString(name[:16])
	default:
		return content + "." + hex.EncodeToString(name[:4])
	}
}

// reject keeps why a file is not taken, in the ledger and beside the file.
func (p *Pickup) reject(ctx context.Context, d *dropped, reason string) error {
	stamp, _, _ := strings.Cut(d.work, "~")
	named := sha256.Sum256([]byte(d.name))
	if err := p.keepFile(ctx, d, "rejected."+stamp+"."+hex.EncodeToString(named[:4]), ledger.Quarantined, "the whole file: "+reason); err != nil {
		return fmt.Errorf("keep why %s is rejected: %w", d.name, err)
	}
	note := fmt.Sprintf("%s\nclaimed %s\nnothing of it was taken: %s\nOnce that is mended, put the file back into %s under its own name.\n",
		d.name, d.received.Format(time.RFC3339), reason, p.drop.Folder)
	if err := p.files.Write(ctx, path.Join(p.drop.Rejected, d.work+reasonEnding), strings.NewReader(note)); err != nil {
		return err
	}
	if err := p.settle(ctx, d.work, p.drop.Rejected); err != nil {
		return err
	}
	p.opt.Log.Warn("a file was rejected", "system", p.system, "drop", p.drop.Name, "file", d.name, "reason", reason)
	return nil
}

// keepFile keeps a file as one message without events. Of one that is larger
// than a message may be its beginning is kept.
func (p *Pickup) keepFile(ctx context.Context, d *dropped, id string, status ledger.MessageStatus, reason string) error {
	if _, err := d.content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	limit := d.size
	if limit > p.opt.MaxBody || limit > p.drop.FileMax && p.drop.FileMax > 0 {
		limit = min(limit, rejectedBytes)
		reason += " (" + fmt.Sprintf(rejectedHowMuch, limit) + ")"
	}
	body, err := io.ReadAll(io.LimitReader(d.content, limit))
	if err != nil {
		return err
	}
	m := p.message(d, 0, connector.Part{})
	_, err = p.opt.Keeper.Keep(ctx, ledger.Message{Source: p.system, DedupeID: id, Topic: p.drop.Name, Status: status, Reason: reason,
		ReceivedAt: d.received, SHA256: sha256.Sum256(body), Header: headers(m.Header), Body: body}, nil)
	return err
}
