package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/engine"
)

// Files that their writers have not finished, by the endings that programs
// give them until they have.
var unfinished = []string{".part", ".partial", ".tmp", ".filepart", ".crdownload", reasonEnding}

const (
	// stampFormat begins the name of a claimed file, before a "~": when it was
	// claimed, which no two claims of a folder share. The name stays as it is
	// on the way through the folders, so that a crash on the way shows nowhere.
	stampFormat = "20060102T150405.000000Z"
	// reasonEnding is of the file beside a rejected one that says why.
	reasonEnding = ".reason"
	// restAfterTrouble is the pause after a look at a folder that failed.
	restAfterTrouble = 15 * time.Second
	// pickupFailed is the cause of a pick-up's trouble.
	pickupFailed = "pickup_failed"
)

// DropOptions configure the pick-up of files.
type DropOptions struct {
	Keeper  Keeper
	Systems []engine.System // those without a Collector are passed over
	Spool   string          // folder for a copy of the file being read; it may be emptied at each start
	MaxBody int64           // bytes of a message; 0: MaxBodyDefault
	// Wait is how long a file stays claimed for a message that waits for what it
	// builds on ([connector.Later]); then it says what it can without.
	Wait time.Duration
	Now  func() time.Time
	Log  *slog.Logger // nil: nothing is logged
	// Report raises a trouble with a folder, and closes it. It may be nil.
	Report func(context.Context, engine.Trouble) error
}

// Pickup takes the files of one folder. A file goes
//
//	folder → work (claimed, by renaming) → its messages are committed → done or rejected
//
// and stays under one name or another at every moment. What a crash leaves in
// work is read again from its beginning; the ids of its messages are made of
// its bytes, so what was committed before is recognised. One goroutine at a
// time calls it.
type Pickup struct {
	opt    *DropOptions
	system string
	conn   connector.Connector
	files  connector.Files
	drop   connector.Drop

	looks   map[string]look
	stamped time.Time // the last claim
	trouble string    // that was reported; "": none
	told    bool      // something was: what a process before left open is closed
}

// look is a file as it was first seen in its present size.
type look struct {
	info  connector.FileInfo
	since time.Time
}

// NewPickups makes a pick-up for each folder of each system.
func NewPickups(opt DropOptions) []*Pickup {
	if opt.MaxBody <= 0 {
		opt.MaxBody = MaxBodyDefault
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Report == nil {
		opt.Report = func(context.Context, engine.Trouble) error { return nil }
	}
	var out []*Pickup
	for _, s := range opt.Systems {
		if s.Conn.Collector == nil || s.Conn.Translator == nil || s.Conn.Collector.Files() == nil {
			continue
		}
		for _, d := range s.Conn.Collector.Drops() {
			out = append(out, &Pickup{opt: &opt, system: s.Name, conn: s.Conn, files: s.Conn.Collector.Files(), drop: d,
				looks: map[string]look{}})
		}
	}
	return out
}

// String names the system and the drop: "legacy/orders".
func (p *Pickup) String() string { return p.system + "/" + p.drop.Name }

// Step looks at the folder once, takes what is complete, and says when it
// wants to look again. A folder that can't be used is a trouble in the inbox
// until it can.
func (p *Pickup) Step(ctx context.Context) (again time.Time) {
	again = p.opt.Now().Add(p.drop.Every)
	err := p.round(ctx)
	if ctx.Err() != nil {
		return again // what is half done is repeated by the next process
	}
	if err != nil {
		p.opt.Log.Warn("files can't be picked up", "system", p.system, "drop", p.drop.Name, "error", err)
		again = p.opt.Now().Add(max(restAfterTrouble, p.drop.Every))
	}
	if err := p.say(ctx, err); err != nil {
		p.opt.Log.Warn("a trouble was not reported", "system", p.system, "drop", p.drop.Name, "error", err)
	}
	return again
}

// say reports what changed about the folder's trouble.
func (p *Pickup) say(ctx context.Context, cause error) error {
	if errors.Is(cause, engine.ErrStopped) {
		return nil // the engine's trouble, which it tells itself
	}
	t := engine.Trouble{Cause: pickupFailed, Subject: p.String()}
	if cause != nil {
		t.Detail = fmt.Sprintf("files of %s can't be picked up from %s: %v", p.system, p.drop.Folder, cause)
		t.Next = "mend what it names; the folder is looked at again by itself"
	}
	if p.told && t.Detail == p.trouble {
		return nil
	}
	if err := p.opt.Report(ctx, t); err != nil {
		return err
	}
	p.told, p.trouble = true, t.Detail
	return nil
}

// round takes what was claimed before, then what is new. A file that can't be
// taken does not keep the others back.
func (p *Pickup) round(ctx context.Context) error {
	claimed, err := p.claimed(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, work := range claimed {
		failed = append(failed, p.take(ctx, work))
	}
	ready, err := p.ready(ctx)
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	for _, f := range ready {
		if ctx.Err() != nil {
			break
		}
		work, err := p.claim(ctx, f.Name)
		if err == nil && work != "" {
			err = p.take(ctx, work)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// claimed lists what lies in the work folder, oldest claim first.
func (p *Pickup) claimed(ctx context.Context) ([]string, error) {
	var names []string
	err := p.files.List(ctx, p.drop.Work, func(i connector.FileInfo) error {
		if _, _, ok := claimOf(i.Name); ok {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // no claim ever: no folder
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// claimOf reads time and own name from a claimed file's name. Companions,
// with a second "~", are not claims.
func claimOf(work string) (at time.Time, name string, ok bool) {
	stamp, name, ok := strings.Cut(work, "~")
	at, err := time.Parse(stampFormat, stamp)
	return at, name, ok && err == nil && !strings.HasPrefix(name, "~") && name != ""
}

// ready lists the files that are complete, oldest first.
func (p *Pickup) ready(ctx context.Context) ([]connector.FileInfo, error) {
	seen := map[string]connector.FileInfo{}
	err := p.files.List(ctx, p.drop.Folder, func(i connector.FileInfo) error {
		seen[i.Name] = i
		return nil
	})
	if err != nil {
		return nil, err
	}
	companions := map[string]bool{}
	for name := range seen {
		if p.wanted(name) {
			companions[p.companionOf(name)] = true
		}
	}
	now := p.opt.Now()
	looks := make(map[string]look, len(p.looks))
	var out []connector.FileInfo
	for name, info := range seen {
		if !p.wanted(name) || companions[name] {
			continue
		}
		l, known := p.looks[name]
		if !known || l.info.Size != info.Size || !l.info.Modified.Equal(info.Modified) {
			l = look{info, now}
		}
		looks[name] = l
		complete := known && now.Sub(l.since) >= p.drop.Stable
		if p.drop.Companion != "" {
			_, complete = seen[p.companionOf(name)]
		}
		if complete {
			out = append(out, info)
		}
	}
	p.looks = looks
	slices.SortFunc(out, func(a, b connector.FileInfo) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// wanted reports whether a name is of this drop and looks finished. Names that
// begin with "~" are programs' own notes.
func (p *Pickup) wanted(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return false
	}
	lower := strings.ToLower(name)
	for _, ending := range unfinished {
		if strings.HasSuffix(lower, ending) {
			return false
		}
	}
	ok, err := path.Match(p.drop.Pattern, name)
	return ok && err == nil
}

// companionOf is the name of the file that says that another is complete.
func (p *Pickup) companionOf(name string) string {
	if p.drop.Companion == "" {
		return ""
	}
	return strings.NewReplacer("{name}", name, "{stem}", strings.TrimSuffix(name, path.Ext(name))).Replace(p.drop.Companion)
}

// claim takes a file out of its folder, so that nobody else takes it too and
// its writer can't begin it anew. It returns the name under which it lies in
// the work folder; "" where somebody else was faster.
func (p *Pickup) claim(ctx context.Context, name string) (string, error) {
	at := p.opt.Now().UTC().Truncate(time.Microsecond)
	if !at.After(p.stamped) {
		at = p.stamped.Add(time.Microsecond)
	}
	p.stamped = at
	work := at.Format(stampFormat) + "~" + name
	err := p.files.Rename(ctx, path.Join(p.drop.Folder, name), path.Join(p.drop.Work, work))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("claim %s: %w", name, err)
	}
	delete(p.looks, name)
	return work, nil
}

// settle moves a claimed file, and its companion, to where it ends. The file
// goes last: as long as it lies in the work folder all of this is repeated.
func (p *Pickup) settle(ctx context.Context, work, folder string) error {
	if p.drop.Companion != "" {
		if err := p.move(ctx, companionWork(work), folder); err != nil {
			return err
		}
	}
	return p.move(ctx, work, folder)
}

// move moves a file out of the work folder. One that is gone was moved before.
func (p *Pickup) move(ctx context.Context, work, folder string) error {
	from, to := path.Join(p.drop.Work, work), path.Join(folder, work)
	err := p.files.Rename(ctx, from, to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	// Moved before, or by a server that renames in two steps, with a crash
	// between them.
	was, err := p.files.Stat(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is, err := p.files.Stat(ctx, to)
	if err != nil {
		return err
	}
	if was.Size != is.Size {
		return fmt.Errorf("move %s: another file lies at %s: %w", from, to, fs.ErrExist)
	}
	return p.files.Remove(ctx, from)
}

// companionWork is the claimed companion's name.
func companionWork(work string) string { return strings.Replace(work, "~", "~~", 1) }
