package process

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestTranscripts plays each file of testdata: commands, a line of dashes, and
// what follows from them. README.txt there explains the words.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d transcripts (%v), want at least 30", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	stage := &stagehand{desk: newDesk(t, testPolicy())}
	expected, inputs := false, []string{}
	for _, line := range strings.SplitAfter(string(text), "\n") {
		bare := strings.TrimRight(line, "\n")
		switch {
		case bare == "----":
			out.WriteString(line)
			for _, in := range inputs {
				for _, said := range stage.play(in) {
					out.WriteString(said + "\n")
				}
			}
			inputs, expected = nil, true
		case expected && bare != "": // an old expectation
		case bare == "" && expected:
			expected = false
			out.WriteString(line)
		default:
			out.WriteString(line)
			if bare != "" && !strings.HasPrefix(bare, "#") {
				inputs = append(inputs, bare)
			}
		}
	}
	if len(inputs) > 0 {
		t.Fatalf("%s ends with commands that no line of dashes follows", file)
	}
	stage.desk.refold()
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), out.String()); diff != "" {
		t.Errorf("%s (-want +got); `go test -update` rewrites it:\n%s", file, diff)
	}
}

// stagehand turns the words of a transcript into events.
type stagehand struct {
	*desk
}

// call is a command with its words sorted out.
type call struct {
	verb  string
	words []string          // plain ones
	opts  map[string]string // name=value of known names
	lines []waybill.LineQty // 1=5, 1=5/CS
	price map[string]string // 1=5@9.90
	kind  map[string]string // F=1@12:freight
}

var optionNames = []string{"v", "po", "customer", "type", "ship", "tax", "charge", "freight", "sku", "at", "from", "complete", "currency", "why", "tracking", "own", "route", "to", "order", "kit"}

func parseCall(in string) call {
	f := strings.Fields(in)
	c := call{verb: f[0], opts: map[string]string{}, price: map[string]string{}, kind: map[string]string{}}
	for _, w := range f[1:] {
		name, value, assigned := strings.Cut(w, "=")
		switch {
		case !assigned || strings.HasPrefix(w, "@"):
			c.words = append(c.words, w)
		case slices.Contains(optionNames, name):
			c.opts[name] = value
		default:
			value, kind, _ := strings.Cut(value, ":")
			value, price, _ := strings.Cut(value, "@")
			qty, uom, _ := strings.Cut(value, "/")
			if q, err := waybill.ParseDecimal(qty); err == nil {
				c.lines = append(c.lines, waybill.LineQty{Line: name, Qty: q, UOM: uom})
			} else {
				c.words = append(c.words, w)
			}
			c.price[name], c.kind[name] = price, kind
		}
	}
	return c
}

func (c call) word(i int) string {
	if i < len(c.words) {
		return c.words[i]
	}
	return ""
}

func (c call) has(word string) bool { return slices.Contains(c.words, word) }

func (c call) version() int64 {
	v, _ := strconv.ParseInt(c.opts["v"], 10, 64)
	return v
}

func decimal(s string) waybill.Decimal {
	if s == "" {
		return waybill.Decimal{}
	}
	return waybill.MustDecimal(s)
}

func (s *stagehand) play(in string) []string {
	c := parseCall(in)
	switch c.verb {
	case "policy":
		return s.policy(c)
	case "wait":
		d, err := time.ParseDuration(c.word(0))
		if err != nil {
			s.t.Fatalf("%s: %v", in, err)
		}
		s.now = s.now.Add(d)
		return nil
	case "attempt":
		return s.playAttempt(c)
	case "answer":
		return s.playAnswer(c)
	case "go":
		out := s.playAttempt(c)
		return append(out, s.playAnswer(call{verb: "answer", words: append(slices.Clone(c.words), "done"), opts: c.opts})...)
	case "edit":
		return s.playEdit(c)
	case "compensate":
		v, _ := s.pick(c, "sent")
		if err := s.s.CheckCompensate(v.Key, s.p); err != nil {
			return []string{"  not done: " + s.plain(err.Error())}
		}
		return s.say(s.correct(&Command{Command: Compensate, Reason: "wrong", Actor: "ops", Key: v.Key}))
	case "show":
		return s.show(c)
	case "view":
		return s.viewLines()
	case "backorders":
		return s.backorders()
	case "raw": // raw order.placed {"lines":…}: data as a source sent it
		typ, data, _ := strings.Cut(strings.TrimPrefix(in, "raw "), " ")
		return s.say(s.tell(waybill.Event{Type: waybill.EventType(typ), Source: "wms", Subject: "RAW", Data: jsontext.Value(data)}))
	}
	e, ok := s.event(c)
	if !ok {
		s.t.Fatalf("no such command: %s", in)
	}
	return s.say(s.tell(e))
}

func (s *stagehand) policy(c call) []string {
	for _, w := range c.words {
		switch w {
		case "no-erp":
			s.p.ERP = ""
		case "no-wms":
			s.p.WMS = ""
		case "no-channel":
			s.p.Channels = map[string]Channel{"shop": {}}
		case "cancel-rest":
			s.p.Backorder = BackorderCancelRest
		case "duplicate-po":
			s.p.DuplicatePO = true
		case "captures":
			s.p.Channels["shop"] = Channel{Documents: true, Captures: true}
		case "own-returns":
			s.p.Channels["shop"] = Channel{Documents: true, OwnReturns: true}
		case "supplier":
			s.p.Supplier = "supplier"
		}
	}
	if v := c.opts["own"]; v != "" {
		s.p.Channels = map[string]Channel{"shop": {Prefix: strings.TrimSuffix("SO-1", v), Documents: true}}
	}
	for _, l := range c.lines {
		switch l.Line {
		case "overship":
			s.p.OverShip = l.Qty
		case "tolerance":
			s.p.PriceTolerance = l.Qty
		}
	}
	for _, to := range strings.Split(c.opts["route"], ",") { // SKU-2:west
		if sku, system, ok := strings.Cut(to, ":"); ok {
			s.p.Routes = append(s.p.Routes, Route{SKUs: []string{sku}, System: system})
		}
	}
	s.s = New("SO-1", s.p)
	return nil
}

var eventVerbs = map[string]waybill.EventType{
	"placed": waybill.OrderPlaced, "changed": waybill.OrderChanged, "cancel": waybill.OrderCancelRequested,
	"wh-accepted": waybill.WarehouseOrderAccepted, "wh-changed": waybill.WarehouseOrderChanged,
	"wh-change-refused": waybill.WarehouseOrderChangeRefused, "wh-cancelled": waybill.WarehouseOrderCancelled,
	"wh-cancel-refused": waybill.WarehouseOrderCancelRefused, "wh-closed": waybill.WarehouseOrderClosed,
	"allocated": waybill.AllocationConfirmed, "picked": waybill.PickConfirmed, "packed": waybill.PackConfirmed,
	"shipped": waybill.ShipmentConfirmed, "delivered": waybill.ShipmentDelivered, "invoiced": waybill.InvoicePosted,
	"credited": waybill.CreditPosted, "hold": waybill.CommandGiven, "release": waybill.CommandGiven,
	"recheck": waybill.CommandGiven, "op-cancel": waybill.CommandGiven, "settle-excess": waybill.CommandGiven,
	"release-backorder": waybill.CommandGiven, "allotted": waybill.StockAllotted, "item": waybill.ItemKnown, "duplicate": waybill.DuplicateFound, "timer": waybill.TimerFired, "touched": waybill.EntityTouched, "returned": waybill.ReturnReceived, "return-requested": waybill.ReturnRequested, "paid": waybill.InvoicePaid,
}

// event makes the event of a command.
func (s *stagehand) event(c call) (waybill.Event, bool) {
	typ, ok := eventVerbs[c.verb]
	e := waybill.Event{Type: typ, Flow: waybill.FlowSales, Ref: "SO-1", Version: c.version(), Source: "wms"}
	if c.opts["from"] != "" {
		e.Source = c.opts["from"]
	}
	switch typ {
	case waybill.OrderPlaced, waybill.OrderChanged:
		e.Source, e.Body = "shop", s.order(c)
	case waybill.OrderCancelRequested:
		e.Source, e.Subject = "shop", c.word(0)
		e.Body = &waybill.CancelRequest{Order: "SO-1", Request: c.word(0), Version: c.version(), Lines: c.lines}
	case waybill.ReturnReceived, waybill.ReturnRequested:
		if typ == waybill.ReturnRequested {
			e.Source = "shop"
		}
		ret := &waybill.Return{Return: c.word(0), Order: "SO-1", Version: c.version()}
		for _, l := range c.lines {
			line := waybill.ReturnLine{Line: l.Line, Qty: l.Qty, UOM: l.UOM, Disposition: c.kind[l.Line]}
			if strings.HasPrefix(l.Line, "SKU-") {
				line.Line, line.SKU = "", l.Line
			}
			ret.Lines = append(ret.Lines, line)
		}
		e.Subject, e.Body = c.word(0), ret
	case waybill.AllocationConfirmed, waybill.PickConfirmed, waybill.PackConfirmed:
		e.Subject, e.Body = c.word(0), &waybill.Progress{Order: "SO-1", Document: c.word(0), Version: c.version(), Lines: c.lines}
	case waybill.ShipmentConfirmed:
		e.Subject, e.Body = c.word(0), s.shipment(c)
	case waybill.ShipmentDelivered:
		e.Source, e.Subject, e.Body = "carrier", c.word(0), &waybill.Delivery{Shipment: c.word(0)}
	case waybill.InvoicePosted, waybill.CreditPosted:
		e.Source, e.Subject, e.Body = "erp", c.word(0), posting(c)
	case waybill.InvoicePaid:
		e.Source, e.Subject, e.Body = "erp", c.word(0), &waybill.Payment{Payment: c.word(0)}
	case waybill.CommandGiven:
		e.Source, e.Body = "waybill", &Command{Command: verbs[c.verb], Reason: c.opts["why"], Actor: "ops", ID: c.word(0)}
	case waybill.TimerFired:
		e.Source, e.Body = "waybill", &Fired{Name: c.word(0)}
	case waybill.StockAllotted:
		e.Source, e.Body = "waybill", &Allotted{Position: "E0", Warehouse: "MAIN", Lines: c.lines}
	case waybill.DuplicateFound:
		e.Source, e.Body = "waybill", &Duplicate{Order: c.word(0)}
	case waybill.ItemKnown: // item SKU-1 EA CS=12
		it := &Item{SKU: c.word(0), BaseUOM: c.word(1)}
		for _, l := range c.lines {
			it.UOMs = append(it.UOMs, waybill.UOM{UOM: l.Line, Ratio: l.Qty})
		}
		if c.opts["kit"] != "" {
			it.Kit = kitOf(c.opts["kit"])
		}
		e.Source, e.Body = "waybill", it
	case waybill.EntityTouched:
		e.Source, e.Body = "waybill", &Touched{Kind: c.word(0), ID: c.word(1)}
	default:
		name := c.word(0)
		if v := s.sent(waybill.WarehouseOrder, e.Source, name); v != nil {
			name = v.Key
		}
		e.Subject, e.Body = name, &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: name, Version: c.version(), Lines: c.lines}
	}
	return e, ok
}

// sent finds the warehouse order that a warehouse speaks of: by its subject, or
// the one it had last.
func (s *stagehand) sent(kind waybill.Kind, target, subject string) (last *delivery) {
	for _, v := range s.lanes {
		named := subject == "" && v.state == "sent" || subject != "" && s.name(v.Doc) == subject
		if v.Kind == kind && v.Target == target && named && (last == nil || v.order > last.order) {
			last = v
		}
	}
	return last
}

var verbs = map[string]Verb{"hold": Hold, "release": Release, "recheck": Recheck, "op-cancel": Cancel, "settle-excess": SettleExcess, "release-backorder": ReleaseBackorder}

func posting(c call) *waybill.Posting {
	p := &waybill.Posting{Order: "SO-1", Invoice: c.word(0), Version: c.version(), Currency: "EUR"}
	for _, l := range c.lines {
		p.Lines = append(p.Lines, waybill.PostingLine{Line: l.Line, Qty: l.Qty})
	}
	return p
}

// pick finds the document that a command is about: kind and, where several are
// in question, its subject.
func (s *stagehand) pick(c call, states ...string) (v *delivery, rest []string) {
	kind, subject, rest := waybill.Kind(c.word(0)), "", c.words[1:]
	if len(rest) > 0 && s.find(kind, rest[0]) != nil {
		subject, rest = rest[0], rest[1:]
	}
	v = s.findAt(c.opts["to"], kind, subject, states...)
	if v == nil {
		s.t.Fatalf("%s %s: no such document in state %v", c.verb, strings.Join(c.words, " "), states)
	}
	return v, rest
}

func (s *stagehand) playAttempt(c call) []string {
	v, _ := s.pick(c, "planned")
	composed, out := s.attempt(v.Key)
	return append([]string{"  > " + s.sentLine(v.Doc, composed)}, s.say(out)...)
}

// playEdit tells an operator's content for a document that was turned down.
func (s *stagehand) playEdit(c call) []string {
	v, _ := s.pick(c, "sent")
	e := &Edited{PostingDate: c.opts["at"]}
	for _, l := range c.lines {
		line := EditedLine{Line: l.Line, SKU: c.opts["sku"], Qty: &l.Qty, UOM: l.UOM}
		if price := c.price[l.Line]; price != "" {
			amount := decimal(price)
			line.Price = &amount
		}
		e.Lines = append(e.Lines, line)
	}
	if tax := c.opts["tax"]; tax != "" {
		e.Data = jsontext.Value(`{"tax":"` + tax + `"}`)
	}
	if why := c.opts["why"]; why != "" {
		e.Data = jsontext.Value(`{"memo":"` + why + `"}`)
	}
	if err := s.s.CheckEdit(v.Key, e); err != nil {
		return []string{"  not done: " + s.plain(err.Error())}
	}
	return s.say(s.correct(&Command{Command: Edit, Reason: "wrong", Actor: "ops", Key: v.Key, Document: e}))
}

// plain writes documents' subjects in place of their keys.
func (s *stagehand) plain(text string) string {
	for _, v := range s.lanes {
		text = strings.ReplaceAll(text, v.Key, s.name(v.Doc))
	}
	return text
}

func (s *stagehand) sentLine(doc Doc, d waybill.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s:", doc.Target, doc.Kind, s.name(doc))
	for _, l := range d.Lines {
		fmt.Fprintf(&b, " %s=%s", l.Line, l.Qty)
	}
	return strings.TrimSuffix(b.String(), ":")
}

// playAnswer tells the target's (or an operator's) answer to a document.
func (s *stagehand) playAnswer(c call) []string {
	v, rest := s.pick(c, "sent", "planned")
	a := &Settled{Key: v.Key}
	for _, w := range rest {
		word, detail, _ := strings.Cut(w, ":")
		switch word {
		case "done", "pending", "skipped", "absent", "partial":
			a.Outcome = Outcome(word)
			if detail != "" {
				a.Receipt = &waybill.Receipt{Ref: detail}
			}
		case "refused":
			code, status, _ := strings.Cut(detail, ":")
			n, _ := strconv.Atoi(status)
			a.Outcome, a.Problem = OutcomeRefused, &waybill.Problem{Code: code, Status: n}
		case "not-approved":
			a.Receipt = &waybill.Receipt{Result: []byte(`{"approved":false,"reasons":[{"kind":"` + detail + `","reason":"by the ERP"}]}`)}
		case "cancelled":
			a.Receipt = &waybill.Receipt{Result: []byte(`{"acknowledged":"A","cancelled":true}`)}
		case "no-verdict":
			a.Receipt = &waybill.Receipt{}
		case "price":
			line, price, _ := strings.Cut(detail, ":")
			a.Receipt = &waybill.Receipt{Result: []byte(`{"approved":true,"prices":[{"line":"` + line + `","price":"` + price + `"}]}`)}
		default:
			line, status, ok := strings.Cut(w, "=")
			if !ok {
				s.t.Fatalf("answer %v: what is %q?", c.words, w)
			}
			if a.Receipt == nil {
				a.Receipt = &waybill.Receipt{}
			}
			a.Receipt.Lines = append(a.Receipt.Lines, waybill.LineOutcome{Line: line, Status: status})
		}
	}
	if a.Outcome == "" {
		a.Outcome = OutcomeDone
	}
	if a.Receipt == nil && (a.Outcome == OutcomeDone || a.Outcome == OutcomePartial) {
		a.Receipt = &waybill.Receipt{}
	}
	if a.Receipt != nil && a.Receipt.Ref == "" {
		a.Receipt.Ref = fmt.Sprintf("%s-%d", strings.ToUpper(v.Target), v.order)
	}
	if v.Kind == waybill.OrderCheck && a.Receipt != nil && a.Receipt.Result == nil && !slices.Contains(rest, "no-verdict") {
		a.Receipt.Result = jsontext.Value(`{"approved":true}`)
	}
	return s.say(s.settle(a))
}

// say writes a decision in words.
func (s *stagehand) say(out Decision) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, "  "+fmt.Sprintf(format, args...)) }
	for _, f := range out.Facts {
		if f.Place == Applied && f.Event == s.events[len(s.events)-1].ID {
			continue
		}
		e := s.events[slices.IndexFunc(s.events, func(e waybill.Event) bool { return e.ID == f.Event })]
		reason := f.Reason
		for _, v := range s.lanes {
			reason = strings.ReplaceAll(reason, v.Key, "of "+string(v.Kind))
		}
		line := fmt.Sprintf("fact %s %s: %s", strings.TrimSpace(string(e.Type)+" "+e.Subject), f.Place, reason)
		add("%s", strings.TrimSuffix(line, ": "))
	}
	for _, key := range out.Withdraw {
		v := s.lanes[key]
		add("- %s %s %s", v.Target, v.Kind, s.name(v.Doc))
	}
	for _, key := range out.Skip {
		v := s.lanes[key]
		add("x %s %s %s", v.Target, v.Kind, s.name(v.Doc))
	}
	for _, a := range out.Add {
		why := a.Why
		for _, v := range s.lanes {
			why = strings.ReplaceAll(why, v.Key, string(v.Kind)+" "+s.name(v.Doc))
		}
		add("+ %s %s %s%s  (%s)", a.Target, a.Kind, s.name(a), s.extras(a), why)
	}
	for _, x := range out.Raise {
		add("! %s %s: %s", x.Cause, s.about(x.ExceptionKey), x.Detail)
	}
	for _, k := range out.Clear {
		add("! %s %s: cleared", k.Cause, s.about(k))
	}
	for _, t := range out.SetTimers {
		add("timer %s at %s", t.Name, t.Due.Format(time.DateTime))
	}
	for _, name := range out.ClearTimers {
		add("timer %s cleared", name)
	}
	if out.Watch != nil {
		add("watch %s", strings.Join(out.Watch, " "))
	}
	if out.Unwatch != nil {
		add("unwatch %s", strings.Join(out.Unwatch, " "))
	}
	return lines
}

func (s *stagehand) about(k ExceptionKey) string {
	subject := k.Subject
	if v := s.lanes[subject]; v != nil {
		subject = string(v.Kind) + " " + s.name(v.Doc)
	}
	for _, e := range s.events {
		if e.ID == subject {
			subject = e.Subject
		}
	}
	if k.Line != "" {
		subject += " line " + k.Line
	}
	return subject
}

func (s *stagehand) extras(a Doc) string {
	var b strings.Builder
	if a.Revision > 0 {
		fmt.Fprintf(&b, " revision %d", a.Revision)
	}
	if a.Supersedes != "" {
		v := s.lanes[a.Supersedes]
		fmt.Fprintf(&b, " supersedes revision %d", v.Revision)
	}
	if a.Compensates != "" {
		v := s.lanes[a.Compensates]
		fmt.Fprintf(&b, " compensates %s %s", v.Kind, s.name(v.Doc))
	}
	if a.Front {
		b.WriteString(" at the front")
	}
	return b.String()
}

// show prints a document as it is composed, or as it was sent.
func (s *stagehand) show(c call) []string {
	v, _ := s.pick(c)
	d := v.sent
	if v.state == "planned" {
		var err error
		if d, err = Compose(s.s, v.Key, s.p); err != nil {
			s.t.Fatal(err)
		}
	}
	text, err := waybill.Marshal(d)
	if err != nil {
		s.t.Fatal(err)
	}
	out := jsontext.Value(strings.ReplaceAll(string(text), d.Key, "KEY"))
	for _, other := range s.lanes {
		out = jsontext.Value(strings.ReplaceAll(string(out), other.Key, "KEY-OF-"+string(other.Kind)))
	}
	if err := out.Indent(jsontext.WithIndentPrefix("  "), jsontext.WithIndent("  ")); err != nil {
		s.t.Fatal(err)
	}
	return []string{"  " + string(out)}
}

// backorders prints what waits for stock.
func (s *stagehand) backorders() []string {
	out := []string{}
	for _, b := range s.s.Backorders() {
		out = append(out, fmt.Sprintf("  %s %s: %s from %s, whole order %t", b.Line, b.SKU, b.Qty, b.System, b.Whole))
	}
	return out
}

// viewLines prints status, holds and every line's quantities that are not zero.
func (s *stagehand) viewLines() []string {
	v := s.s.View()
	out := []string{"  status " + string(v.Status)}
	for _, h := range v.Holds {
		out = append(out, fmt.Sprintf("  hold %s: %s", h.Kind, h.Reason))
	}
	for _, l := range s.s.Totals() {
		row := "  " + l.Line + ":"
		for stage, q := range l.Quantities {
			if !q.IsZero() {
				row += fmt.Sprintf(" %s %s", waybill.Stage(stage), q)
			}
		}
		out = append(out, row)
	}
	return out
}
