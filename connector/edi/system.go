package edi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
)

// Name is the connector's name in the configuration.
const Name = "edi"

const partnerSetting = "partner"

// windowOpen is how long a window to send in lasts.
const windowOpen = time.Minute

// Manifest describes a trading partner by EDI: a customer or a warehouse.
func Manifest() connector.Manifest {
	accepts := []waybill.Kind{waybill.FunctionalAcknowledgment}
	for _, kind := range waybill.Kinds() {
		for _, role := range setsOf {
			if role.out[kind] != "" {
				accepts = append(accepts, kind)
			}
		}
	}
	return connector.Manifest{
		Name:    Name,
		Title:   "EDI (X12)",
		Summary: "A trading partner by X12: customers (850, 860, 855, 865, 856, 810) and warehouses (940, 945, 947, 846), in folders or by SFTP, described by a partner's file.",
		Roles:   []waybill.Role{waybill.RoleChannel, waybill.RoleWMS},
		Emits: []waybill.EventType{waybill.OrderPlaced, waybill.OrderChanged, waybill.OrderCancelRequested, waybill.ShipmentConfirmed,
			waybill.InventoryAdjusted, waybill.InventorySnapshot, waybill.InterchangeReceived, waybill.DocumentApplied, waybill.DocumentRejected},
		Accepts: accepts,
		// A partner tells an interchange that comes again by its control number:
		// the same bytes may go twice.
		Idempotency: waybill.ByKey,
		KeepsOrder:  true,
		Numbered:    true,
		Files:       true,
		Settings: []connector.Setting{{Name: partnerSetting, Required: true, File: true,
			Doc: "the file that says what was agreed with the partner; a relative name begins at the configuration's folder"}},
		Open: open,
	}
}

// system is one partner. It is read-only after open and safe for concurrent
// use.
type system struct {
	*agreement
	name  string
	role  waybill.Role
	files connector.Files
	book  connector.Book
	now   func() time.Time
}

func open(env connector.Env) (connector.Connector, error) {
	s := &system{name: env.System, role: env.Role, files: env.Files, book: env.Book, now: env.Now}
	var err error
	if s.agreement, err = loadAgreement(env.Settings[partnerSetting], env.System, env.Role, env.OrderPrefix); err != nil {
		return connector.Connector{}, fmt.Errorf("system %s: %w", env.System, err)
	}
	d := &connector.Description{Idempotency: waybill.ByKey, KeepsOrder: s.ordered, Revision: s.revision,
		Accepts: []waybill.Kind{waybill.FunctionalAcknowledgment}}
	for _, kind := range waybill.Kinds() {
		if s.sends[kind] != "" {
			d.Accepts = append(d.Accepts, kind)
		}
	}
	c := connector.Connector{Translator: s, Renderer: s, Described: d}
	if env.Observe || env.Files == nil {
		return c, nil
	}
	c.Collector, c.Deliverer, c.Prober = s, s, s
	return c, nil
}

// Probe looks whether the place can be reached.
func (s *system) Probe(ctx context.Context) (connector.Info, error) {
	info := connector.Info{System: s.name, Head: -1, Now: s.now(), Idempotency: waybill.ByKey, KeepsOrder: s.ordered}
	err := s.files.List(ctx, s.drop.Folder, func(connector.FileInfo) error { return fs.SkipAll })
	if err != nil && !errors.Is(err, fs.SkipAll) {
		return info, fmt.Errorf("look into the folder %s: %w", s.drop.Folder, err)
	}
	return info, nil
}

// Deliver writes an interchange under a name of its own, in one step. An
// attempt that is repeated finds the file there, or writes the same bytes with
// the same control number once more: the partner knows them by it.
func (s *system) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	if len(a.Body) == 0 {
		return waybill.Outcome{Verdict: waybill.Done, Note: "the partner takes no set for it: nothing is written"}, nil
	}
	h, err := headOf(a.Body)
	if err != nil {
		return waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "not_x12", Detail: err.Error()}}, nil
	}
	if wait := s.untilWindow(); !wait.IsZero() {
		return waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: wait, Note: "the partner's next window opens " + wait.UTC().Format(time.RFC3339)}, nil
	}
	name := path.Join(s.out, strings.NewReplacer("{set}", h.set, "{control}", h.control, "{system}", s.name).Replace(s.agreement.name))
	if out := s.write(ctx, name, a.Body); out.Verdict != "" {
		return out, nil
	}
	receipt := waybill.Receipt{Ref: h.control, AppliedAt: s.now().UTC()}
	if a.Kind == waybill.FunctionalAcknowledgment || !s.await {
		return waybill.Outcome{Verdict: waybill.Done, Receipt: receipt, Note: "written as " + name}, nil
	}
	return waybill.Outcome{Verdict: waybill.Pending, Receipt: receipt, AckWithin: s.within,
		Note: "written as " + name + "; its acknowledgment is due within " + s.within.String()}, nil
}

// untilWindow is when the partner's next window opens; zero: it is open.
func (s *system) untilWindow() time.Time {
	if s.window == 0 {
		return time.Time{}
	}
	now := s.now()
	opened := now.Truncate(s.window)
	if now.Sub(opened) < windowOpen {
		return time.Time{}
	}
	return opened.Add(s.window)
}

// write brings the file to its name. No verdict: it is there.
func (s *system) write(ctx context.Context, name string, body []byte) waybill.Outcome {
	there, err := s.same(ctx, name, body)
	switch {
	case err != nil:
		return notSent(err)
	case there == otherFile:
		return waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Code: "file_exists",
			Detail: "another file lies at " + name + "; move it away, or change out.name in the partner's file"}}
	case there == ourFile:
		return waybill.Outcome{}
	}
	part := name + ".part"
	if err := s.files.Write(ctx, part, bytes.NewReader(body)); err != nil {
		return notSent(err) // nobody takes it under that name
	}
	if err := ctx.Err(); err != nil {
		return notSent(err)
	}
	err = s.files.Rename(ctx, part, name)
	switch {
	case err == nil:
		return waybill.Outcome{}
	case errors.Is(err, connector.ErrNoConnection):
		return notSent(err)
	}
	return waybill.Outcome{Verdict: waybill.InDoubt, Note: err.Error()}
}

// What lies under a name.
type lying int

const (
	noFile lying = iota
	ourFile
	otherFile
)

func (s *system) same(ctx context.Context, name string, body []byte) (lying, error) {
	r, err := s.files.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return noFile, nil
	}
	if err != nil {
		return noFile, err
	}
	there, err := io.ReadAll(io.LimitReader(r, int64(len(body))+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return noFile, fmt.Errorf("read %s: %w", name, err)
	}
	if bytes.Equal(there, body) {
		return ourFile, nil
	}
	return otherFile, nil
}

// notSent is an attempt of which nothing can take effect.
func notSent(err error) waybill.Outcome {
	var no *connector.Rejection
	if errors.As(err, &no) && no.Status == 401 {
		return waybill.Outcome{Verdict: waybill.Unauthorized, Note: err.Error()}
	}
	return waybill.Outcome{Verdict: waybill.NotSent, Note: err.Error()}
}

// head is what names an interchange.
type head struct{ control, set string }

// headOf reads control number and first set of an interchange.
func headOf(body []byte) (head, error) {
	var h head
	in := x12.NewReader(bytes.NewReader(body))
	for {
		seg, err := in.Next()
		if err != nil {
			return h, fmt.Errorf("read what was rendered: %w", err)
		}
		switch seg.ID() {
		case "ISA":
			h.control = seg.Element(13)
		case "ST":
			h.set = seg.Element(1)
			return h, nil
		case "TA1":
			h.set = "TA1"
			return h, nil
		}
	}
}

// takes reports whether events of a set may come from the system: a warehouse
// places no orders.
func (s *system) takes(set string) bool { return slices.Contains(setsOf[s.role].in, set) }
