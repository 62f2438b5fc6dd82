package edi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
)

// reasonsMax and messagesMax bound what is said of a broken interchange: the
// acknowledgment says all of it.
const (
	reasonsMax  = 5
	messagesMax = 100
)

// Files implements [connector.Collector].
func (s *system) Files() connector.Files { return s.files }

// Drops implements [connector.Collector].
func (s *system) Drops() []connector.Drop { return []connector.Drop{s.drop} }

// Read implements [connector.Collector]: a message is an interchange, byte for
// byte. Its id says which interchanges are one, as the partner's policy has it.
func (s *system) Read(f connector.DroppedFile, each func(connector.Part) error) error {
	body, err := io.ReadAll(f.Content)
	if err != nil {
		return err
	}
	starts, heads, err := interchanges(body)
	if err != nil {
		return err
	}
	for i, start := range starts {
		end := len(body)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		if i == 0 {
			start = 0 // what stands before it belongs to it
		}
		part := connector.Part{Topic: "x12", Body: body[start:end:end], ID: s.partID(heads[i], body[start:end])}
		if err := each(part); err != nil {
			return err
		}
	}
	return nil
}

// interchanges finds where each interchange of a file begins. A file without
// any is refused; what can't be read after one belongs to the one before it.
func interchanges(body []byte) (starts []int, heads []x12.Segment, err error) {
	in := x12.NewReader(bytes.NewReader(body))
	for {
		seg, err := in.Next()
		switch {
		case err == nil && seg.ID() == "ISA":
			starts, heads = append(starts, int(seg.Offset())), append(heads, seg)
		case err == nil:
		case len(starts) > 0:
			return starts, heads, nil
		case errors.Is(err, io.EOF):
			return nil, nil, &connector.Untranslatable{Reason: "the file is empty"}
		default:
			return nil, nil, &connector.Untranslatable{Reason: err.Error()}
		}
	}
}

// partID is an interchange's identity: its parties, control number and usage;
// by the policy digest, its bytes too; by none, nothing but its place.
func (s *system) partID(isa x12.Segment, body []byte) string {
	policy := named(s.partner.Duplicates, "number")
	if policy == "none" {
		return ""
	}
	h := sha256.New()
	for _, n := range []int{5, 6, 7, 8, 13, 15} {
		_, _ = fmt.Fprintf(h, "%s\x00", strings.TrimSpace(isa.Element(n)))
	}
	if policy == "digest" {
		_, _ = h.Write(body)
	}
	return "x12." + hex.EncodeToString(h.Sum(nil)[:16])
}

// Translate implements [connector.Translator]: what the sets of an interchange
// say, what its sender is owed for it, and what its acknowledgments say of
// documents of ours.
func (s *system) Translate(m connector.Message) ([]waybill.Event, error) {
	v, err := s.profile.Judge(bytes.NewReader(m.Body), nil, m.ReceivedAt)
	if err != nil {
		return nil, err
	}
	if len(v.Interchanges) == 0 {
		return nil, &connector.Untranslatable{Reason: named(v.Problem, "there is no interchange in it")}
	}
	r, err := s.receive(m, v, s.book)
	if err != nil {
		return nil, err
	}
	if len(r.unknown) > 0 && len(r.placed) > 0 { // an 860 in one interchange with its 850
		if r, err = s.receive(m, v, besides{r.placed, s.book}); err != nil {
			return nil, err
		}
	}
	if len(r.unknown) > 0 && m.MayWait {
		return nil, &connector.Later{For: "order " + strings.Join(r.unknown, ", ") + ", which its 860 changes"}
	}
	return r.close()
}

// receive goes through the first interchange of a judged message.
func (s *system) receive(m connector.Message, v *Verdicts, book connector.Book) (*receiving, error) {
	t := &Translator{Profile: s.profile}
	if book != nil {
		t.Book = book
	}
	r := &receiving{system: s, verdict: &v.Interchanges[0], at: m.ReceivedAt, placed: map[string]*waybill.Order{}}
	r.open(v, m.Body)
	return r, t.Outcomes(bytes.NewReader(m.Body), v, func(*Verdict, *x12.Group) error { return nil }, r.set)
}

// besides is a book with some orders in front of it.
type besides struct {
	orders map[string]*waybill.Order
	book   connector.Book
}

// Order implements [connector.Book].
func (b besides) Order(ref string) *waybill.Order {
	if o := b.orders[ref]; o != nil {
		return o
	}
	if b.book == nil {
		return nil
	}
	return b.book.Order(ref)
}

// receiving is one interchange on its way into the ledger.
type receiving struct {
	*system
	verdict *Verdict
	at      time.Time
	report  waybill.Interchange
	events  []waybill.Event
	placed  map[string]*waybill.Order // in it
	unknown []string                  // orders that it changes and nobody knows
}

func (r *receiving) open(v *Verdicts, body []byte) {
	ic := r.verdict
	sum := sha256.Sum256(body)
	r.report = waybill.Interchange{Interchange: id(r.name + "-" + ic.Control + "-" + hex.EncodeToString(sum[:4])), Standard: "X12", Control: ic.Control,
		Sender: ic.SenderQualifier + "/" + ic.Sender, Receiver: ic.ReceiverQualifier + "/" + ic.Receiver, Test: ic.Usage == "T",
		Status: string(ic.Status), Problem: v.Problem}
	if v.Problem != "" && r.report.Status == string(x12.Accepted) {
		r.report.Status = string(x12.AcceptedWithErrors)
	}
	var reasons []string
	for _, f := range ic.Faults {
		reasons = append(reasons, faultText(f))
	}
	for _, n := range slices.Sorted(maps.Keys(ic.Wrong)) {
		for _, f := range ic.Wrong[n].Faults {
			reasons = append(reasons, "group "+ic.Wrong[n].Control+": "+faultText(f))
		}
	}
	if len(reasons) > reasonsMax {
		reasons = append(reasons[:reasonsMax], fmt.Sprintf("and %d more", len(reasons)-reasonsMax))
	}
	if len(reasons) > 0 {
		r.report.Problem = strings.Join(append(reasons, nonEmpty(v.Problem)...), "; ")
	}
	for _, text := range v.Acknowledgments {
		r.report.Answers = append(r.report.Answers, answersOf(text)...)
	}
}

func nonEmpty(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// faultText is a fault in words, with its code and place.
func faultText(f x12.Fault) string {
	at := f.Segment
	if f.Element > 0 {
		at += fmt.Sprintf("%02d", f.Element)
	}
	if f.Position > 0 {
		at += " in segment " + strconv.Itoa(f.Position)
	}
	return strings.TrimSpace(string(f.Level) + " error " + f.Code + " at " + at + ": " + f.Detail)
}

// set takes one set in.
func (r *receiving) set(o Outcome) error {
	if ack, ok := x12.ReadGroupAck(o.Message); ok {
		if o.Final != x12.Rejected {
			r.acknowledged(ack)
			return nil
		}
	} else {
		r.report.Received++
	}
	events := o.Translation.Events
	if !r.takes(o.Set) {
		events = nil
	}
	events, notes := r.whole(events, o.Translation.Notes)
	r.events = append(r.events, events...)
	if o.Final == x12.Accepted && len(events) > 0 || o.Set == "997" && o.Final == x12.Accepted {
		return r.settles(events)
	}
	if len(r.report.Messages) < messagesMax {
		message := waybill.InterchangeMessage{Set: o.Set, Control: o.Control, Status: string(o.Final), Events: len(events), Reasons: notes}
		for _, f := range o.Faults {
			if len(message.Reasons) == reasonsMax {
				break
			}
			message.Reasons = append(message.Reasons, faultText(f))
		}
		r.report.Messages = append(r.report.Messages, message)
	}
	return r.settles(events)
}

// whole leaves out what states differences to an order that is not known:
// nobody may take it for the order.
func (r *receiving) whole(events []waybill.Event, notes []string) ([]waybill.Event, []string) {
	kept := events[:0:0]
	for _, e := range events {
		order, ok := e.Body.(*waybill.Order)
		if ok && e.Type == waybill.OrderPlaced {
			r.placed[order.Order] = order
		}
		if ok && e.Type == waybill.OrderChanged && partial(order) {
			r.unknown = append(r.unknown, order.Order)
			notes = append(notes, "the order "+order.Order+" that it changes is not known; replay the message once it is")
			continue
		}
		kept = append(kept, e)
	}
	return kept, notes
}

// partial reports whether an order holds only the lines that change.
func partial(o *waybill.Order) bool {
	var v struct {
		EDI struct {
			Partial string `json:"partial"`
		} `json:"edi"`
	}
	return len(o.Unknown) > 0 && waybill.Unmarshal(o.Unknown, &v) == nil && v.EDI.Partial != ""
}

// settles lets a shipment answer its warehouse order, and the last one of an
// order its cancellation, where that is agreed. What shipped stands: of the
// rest, nothing ships any more.
func (r *receiving) settles(events []waybill.Event) error {
	if r.role != waybill.RoleWMS {
		return nil
	}
	for i := range events {
		sh, ok := events[i].Body.(*waybill.Shipment)
		if !ok {
			continue
		}
		if r.byShipment {
			report := waybill.DocumentReport{Order: sh.Order, Kind: waybill.WarehouseOrder}
			if err := r.emit(waybill.DocumentApplied, "shipment-"+sh.Shipment, report); err != nil {
				return err
			}
		}
		if !r.cancelledBy && sh.Final {
			report := waybill.DocumentReport{Order: sh.Order, Kind: waybill.WarehouseOrderCancel, Result: jsontext.Value(`{"cancelled":true}`)}
			if err := r.emit(waybill.DocumentApplied, "final-"+sh.Shipment, report); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *receiving) emit(kind waybill.EventType, subject string, body any) error {
	data, err := waybill.Marshal(body)
	if err != nil {
		return err
	}
	r.events = append(r.events, waybill.Event{Type: kind, Source: r.name, Subject: id(subject), Version: 1, OccurredAt: r.at, Data: data})
	return nil
}

// acknowledged reports what a 997 or 999 says of a document of ours: each of
// them went in a group of its own.
func (r *receiving) acknowledged(a x12.GroupAck) {
	control, err := strconv.ParseInt(strings.TrimSpace(a.Control), 10, 64)
	if err != nil || control < 1 {
		r.odd("997", a.Control, "it acknowledges group "+strconv.Quote(a.Control)+", which is no control number of ours")
		return
	}
	accepted, codes := a.Result == "A" || a.Result == "E", "AK9 "+a.Result
	for _, n := range a.Notes {
		codes += " " + n
	}
	for _, set := range a.Sets {
		accepted = accepted && set.Accepted()
		codes += "; " + set.Set + " " + set.Control + " AK5 " + strings.Join(append([]string{set.Result}, set.Notes...), " ")
		for _, f := range set.Faults {
			codes += "; " + strings.TrimSuffix(faultText(f), ": ")
		}
	}
	subject := fmt.Sprintf("control-%09d", control)
	report := waybill.DocumentReport{Control: control}
	if !accepted {
		report.Problem = &waybill.Problem{Code: "edi_rejected", Title: "the partner rejected the set", Detail: codes}
		err = r.emit(waybill.DocumentRejected, subject, report)
	} else {
		err = r.settled(subject, a, report)
	}
	if err != nil {
		r.odd("997", a.Control, err.Error())
	}
}

// settled reports that a document was taken. A warehouse's word on orders and
// cancellations may be agreed to be another one, and which of them a control
// number went to is known only where it was reserved.
func (r *receiving) settled(subject string, a x12.GroupAck, report waybill.DocumentReport) error {
	report.Result = fmt.Appendf(nil, "{\"acknowledged\":%q}", a.Result)
	confirms := fmt.Appendf(nil, "{\"acknowledged\":%q,\"cancelled\":true}", a.Result)
	switch {
	case a.Code != "OW":
		return r.emit(waybill.DocumentApplied, subject, report)
	case r.cancelledBy && !r.byShipment:
		report.Result = confirms
		return r.emit(waybill.DocumentApplied, subject, report)
	}
	report.Kind = waybill.WarehouseOrderChange
	err := r.emit(waybill.DocumentApplied, subject+"-change", report)
	switch {
	case err != nil:
	case !r.byShipment:
		report.Kind = waybill.WarehouseOrder
		err = r.emit(waybill.DocumentApplied, subject+"-order", report)
	case r.cancelledBy:
		report.Kind, report.Result = waybill.WarehouseOrderCancel, confirms
		err = r.emit(waybill.DocumentApplied, subject+"-cancel", report)
	}
	return err
}

// odd notes what nothing followed from.
func (r *receiving) odd(set, control, reason string) {
	r.report.Messages = append(r.report.Messages, waybill.InterchangeMessage{Set: set, Control: control, Status: string(x12.Accepted), Reasons: []string{reason}})
}

// close puts the interchange itself before what it says. One that holds
// nothing but acknowledgments, and nothing to wonder at, is no flow of its own.
func (r *receiving) close() ([]waybill.Event, error) {
	for _, a := range r.verdict.Acks {
		if control, err := strconv.ParseInt(a.Control, 10, 64); err == nil && !a.Accepted() {
			report := waybill.DocumentReport{Control: control, Problem: &waybill.Problem{Code: "edi_rejected",
				Title: "the partner rejected the interchange", Detail: "TA1 " + a.Result + " " + a.Code}}
			if err := r.emit(waybill.DocumentRejected, "control-"+a.Control, report); err != nil {
				return nil, err
			}
		}
	}
	rep := &r.report
	if r.verdict.AcksOnly && rep.Problem == "" && len(rep.Messages) == 0 || rep.Received == 0 && rep.Problem == "" && len(rep.Messages)+len(rep.Answers) == 0 {
		return r.events, nil
	}
	ev, err := r.itself()
	return append([]waybill.Event{ev}, r.events...), err
}

// itself is the event of the interchange.
func (r *receiving) itself() (waybill.Event, error) {
	rep := &r.report
	data, err := waybill.Marshal(rep)
	return waybill.Event{Type: waybill.InterchangeReceived, Source: r.name, Flow: waybill.FlowInterchange, Ref: rep.Interchange, Subject: rep.Interchange,
		Version: 1, OccurredAt: r.at, Data: data, Body: rep}, err
}
