package engine

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/ownership"
)

// ruled is a rig with a second source of master data, pim, and rules of who
// owns what.
func ruled(t testing.TB, rules ...ownership.Rule) *rig {
	return stocked(t, func(r *rig) {
		r.fakes["pim"] = newFake(r, "pim", waybill.RoleERP)
		m, err := ownership.NewMatrix(rules)
		r.must(err)
		r.opt.Ownership = m
	})
}

func owns(entity ownership.Kind, field, owner string, others ownership.Policy) ownership.Rule {
	return ownership.Rule{Entity: entity, Field: field, Owner: owner, Others: others}
}

// details are the open exceptions of a cause, in words.
func (r *rig) details(cause string) []string {
	out := []string{}
	for _, x := range r.open(cause) {
		out = append(out, x.Detail)
	}
	return out
}

// recordOf is an item's record in force, as JSON.
func (r *rig) recordOf(sku string) string {
	r.t.Helper()
	data, err := waybill.Marshal(r.stockOf(sku).Record())
	r.must(err)
	return string(data)
}

func (r *rig) wantRecord(sku, want string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.recordOf(sku)); diff != "" {
		r.t.Errorf("item %s (-want +got):\n%s", sku, diff)
	}
}

// A value of a system that does not own its field waits for a person; what is
// taken is in force, survives a restart, and is audited with both values.
func TestOwnership_Propose(t *testing.T) {
	r := ruled(t, owns("item", "", "erp", "propose"))
	r.settle()
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"12"}],"version":1}`)
	k := r.tell("pim", waybill.ItemChanged, `{"sku":"A","uoms":[{"uom":"CS","ratio":"10"}],"version":100}`)
	r.wantRecord("A", `{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"12"}],"version":1}`)
	if ev := r.event(k.Event); ev.State != ledger.Ignored || ev.Waybill != 0 {
		t.Errorf("the event of pim is %s: %s", ev.State, ev.Reason)
	}
	want := []string{`pim writes /uoms of item A, which erp owns: [{"uom":"CS","ratio":"10"}] instead of [{"uom":"CS","ratio":"12"}]; it waits for your word`}
	if diff := cmp.Diff(want, r.details(CauseProposal)); diff != "" {
		t.Fatalf("proposals (-want +got):\n%s", diff)
	}
	r.restart()
	ps, err := Proposals(t.Context(), r.kept, 0, 10)
	r.must(err)
	if len(ps) != 1 || ps[0].Ref != "A" || ps[0].Field != "/uoms" || ps[0].Owner != "erp" || string(ps[0].New) != `[{"uom":"CS","ratio":"10"}]` || string(ps[0].Old) == "" {
		t.Fatalf("proposals: %+v", ps)
	}
	x := r.open(CauseProposal)[0]
	r.must(r.give(Command{Actor: "ops", Object: ToException, Name: "exc_1", ID: x.ID, Action: "take", Reason: "the case holds ten"}))
	r.wantRecord("A", `{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"10"}],"version":1}`)
	if len(r.open(CauseProposal)) != 0 {
		t.Error("the proposal is open after it was taken")
	}
	var entry audit.Entry
	log, err := r.kept.AuditAfter(t.Context(), 0, 100)
	r.must(err)
	for _, e := range log {
		if e.Action == "take" {
			entry = e
		}
	}
	if entry.Actor != "ops" || string(entry.Before) != `[{"uom":"CS","ratio":"12"}]` || string(entry.After) != `[{"uom":"CS","ratio":"10"}]` {
		t.Errorf("audited: %+v", entry)
	}
	if err := r.give(Command{Actor: "ops", Object: ToException, ID: x.ID, Action: "take", Reason: "again"}); err == nil {
		t.Error("taken twice")
	}
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"6"}],"version":2}`)
	if got := r.recordOf("A"); !strings.Contains(got, `"6"`) {
		t.Errorf("after the owner's next word: %s", got)
	}
	r.audit()
}

// A proposal can't be closed, only taken or declined; declined, the same value
// is not proposed again.
func TestOwnership_Decline(t *testing.T) {
	r := ruled(t, owns("customer", "", "erp", "propose"))
	r.settle()
	r.tell("erp", waybill.CustomerChanged, `{"customer":"C1","terms":"N30","version":1}`)
	r.tell("pim", waybill.CustomerChanged, `{"customer":"C1","terms":"N60","version":1}`)
	x := r.open(CauseProposal)[0]
	if err := r.give(Command{Actor: "ops", Object: ToException, ID: x.ID, Action: "close", Reason: "away"}); err == nil {
		t.Error("a proposal was closed")
	}
	r.must(r.give(Command{Actor: "ops", Object: ToException, ID: x.ID, Action: "decline", Reason: "N30 was agreed"}))
	r.tell("pim", waybill.CustomerChanged, `{"customer":"C1","terms":"N60","version":2}`)
	if got := r.details(CauseProposal); len(got) != 0 {
		t.Errorf("proposed again: %q", got)
	}
	r.tell("pim", waybill.CustomerChanged, `{"customer":"C1","terms":"N90","version":3}`)
	r.tell("pim", waybill.CustomerChanged, `{"customer":"C1","terms":"N120","version":4}`)
	if got := r.details(CauseProposal); len(got) != 1 || !strings.Contains(got[0], `"N120"`) {
		t.Errorf("proposed: %q", got)
	}
	r.tell("erp", waybill.CustomerChanged, `{"customer":"C1","terms":"N120","version":2}`)
	if got := r.details(CauseProposal); len(got) != 0 {
		t.Errorf("proposed still, though the owner says the same: %q", got)
	}
	r.audit()
}

// Two systems own parts of one item: each part is in force as its owner has it,
// by events that refold, whatever each system counts its versions from.
func TestOwnership_Shared(t *testing.T) {
	r := ruled(t, owns("item", "", "erp", "refuse"), owns("item", "/text", "pim", "refuse"))
	r.settle()
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","version":7}`)
	r.tell("pim", waybill.ItemChanged, `{"sku":"A","text":"Hammer","version":100}`)
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","status":"closed","version":8}`)
	for _, want := range []string{`"text":"Hammer"`, `"status":"closed"`, `"base_uom":"EA"`} {
		if got := r.recordOf("A"); !strings.Contains(got, want) {
			t.Errorf("item A lacks %s: %s", want, got)
		}
	}
	if xs := r.open(""); len(xs) != 0 {
		t.Errorf("open: %v", xs)
	}
	r.tellAll( // in one batch, the newer first
		fact{"erp", waybill.ItemChanged, `{"sku":"B","base_uom":"EA","status":"open","version":9}`},
		fact{"pim", waybill.ItemChanged, `{"sku":"B","text":"Axe","base_uom":"CS","version":1}`},
		fact{"erp", waybill.ItemChanged, `{"sku":"B","base_uom":"MTR","version":8}`},
	)
	if got := r.recordOf("B"); !strings.Contains(got, `"text":"Axe"`) || !strings.Contains(got, `"base_uom":"EA"`) {
		t.Errorf("item B: %s", got)
	}
	want := []string{`pim writes /base_uom of item B, which erp owns: "CS" instead of "EA"; it did not come into force`}
	if diff := cmp.Diff(want, r.details("ownership_refused")); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	r.audit()
}

// An item that was known before anybody owned anything keeps its record.
func TestOwnership_BeganLater(t *testing.T) {
	r := stocked(t, func(r *rig) { r.fakes["pim"] = newFake(r, "pim", waybill.RoleERP) })
	r.settle()
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","version":3}`)
	opt := r.opt
	opt.Ownership, _ = ownership.NewMatrix([]ownership.Rule{owns("item", "", "erp", "accept")})
	r.must(r.reload(opt))
	r.tell("pim", waybill.ItemChanged, `{"sku":"A","base_uom":"CS","version":1}`)
	if got := r.recordOf("A"); !strings.Contains(got, `"CS"`) {
		t.Errorf("accepted: %s", got)
	}
	want := []string{`pim writes /base_uom of item A, which erp owns: "CS" instead of "EA"; it is in force until erp says otherwise`}
	if diff := cmp.Diff(want, r.details("ownership_flagged")); diff != "" {
		t.Errorf("flagged (-want +got):\n%s", diff)
	}
	r.audit()
}

// A position of a system that does not own it is proposed; what Waybill told
// the system itself is its echo.
func TestOwnership_Stock(t *testing.T) {
	r := ruled(t, owns("stock", "", "erp", "propose"))
	r.settle()
	r.position("A", "40")
	r.settle()
	r.must(r.do(ToSystem, "shop", "pause"))
	r.now = r.now.Add(time.Minute)
	r.position("A", "30")
	state := func(source, qty string) string {
		r.now = r.now.Add(time.Minute)
		k := r.tell(source, waybill.InventoryPosition, fmt.Sprintf(`{"sku":"A","warehouse":"W1","available":%q,"as_of":%q}`, qty, r.now.Format(time.RFC3339)))
		return r.event(k.Event).Reason
	}
	if got, want := state("pim", "30"), "it says what is in force"; got != want {
		t.Errorf("the same: %s, want %s", got, want)
	}
	r.wantLane("shop", "~~item~A", "1 inventory_availability 1:40")
	if got, want := stateOf(r, "shop", "40"), "it repeats what Waybill told shop"; got != want {
		t.Errorf("the echo: %s, want %s", got, want)
	}
	if n := len(r.open("")); n != 0 {
		t.Fatalf("%d exceptions", n)
	}
	state("pim", "12")
	ps, err := Proposals(t.Context(), r.kept, 0, 10)
	r.must(err)
	if len(ps) != 1 || ps[0].Ref != "A/W1" || string(ps[0].New) != `"12"` || string(ps[0].Old) != `"30"` {
		t.Fatalf("proposals: %+v", ps)
	}
	r.must(r.give(Command{Actor: "ops", Object: ToException, ID: ps[0].ID, Action: "take", Reason: "counted"}))
	if _, left, ok := r.stockOf("A").Position("W1"); !ok || left.String() != "12" {
		t.Errorf("%s is left", left)
	}
	state("pim", "11")
	if n := len(r.open(CauseProposal)); n != 1 {
		t.Fatalf("%d proposals", n)
	}
	r.now = r.now.Add(time.Minute)
	r.position("A", "25")
	if n := len(r.open(CauseProposal)); n != 0 {
		t.Errorf("%d proposals after the owner stated a newer position", n)
	}
	r.pass(time.Minute)
	r.audit()
}

// stateOf is a position that a channel reports. The system contract has none;
// a connector of one's own may.
func stateOf(r *rig, source, qty string) string {
	r.t.Helper()
	data := fmt.Sprintf(`{"sku":"A","warehouse":"W1","available":%q,"as_of":%q}`, qty, r.now.Format(time.RFC3339))
	ev := waybill.Event{Type: waybill.InventoryPosition, Source: source, Flow: waybill.FlowItem, Ref: "A", Subject: "A/W1",
		Version: r.now.UnixMicro(), OccurredAt: r.now, Data: []byte(data)}
	reply := make(chan keptOrError, 1)
	r.e.inbox <- &arrival{message: ledger.Message{Source: source, DedupeID: "echo", Status: ledger.Accepted, ReceivedAt: r.now,
		SHA256: sha256.Sum256([]byte(data)), Body: []byte(data)}, events: []waybill.Event{ev}, reply: reply}
	r.step()
	k := soon(r.t, reply)
	r.must(k.err)
	return r.event(k.kept.Event).Reason
}
