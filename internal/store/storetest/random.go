package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// samples is how many random rows of a kind a round trip writes.
const samples = 60

// draw makes rows 1 to samples, the same in every run: what fails once fails
// again.
func draw[T any](t *testing.T, make func(rt *rapid.T, id int64) T) []T {
	t.Helper()
	out := []T{}
	for id := int64(1); id <= samples; id++ {
		out = append(out, rapid.Custom(func(rt *rapid.T) T { return make(rt, id) }).Example(int(id)))
	}
	return out
}

// text is any text, NUL included, which not every database stores as it is.
var text = rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.Just(rune(0))))

// blob is nothing, something short, or something long enough to be packed,
// whether that helps or not.
var blob = rapid.Custom(func(rt *rapid.T) []byte {
	switch rapid.IntRange(0, 4).Draw(rt, "blob") {
	case 0:
		return nil
	case 1:
		return rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "short")
	case 2:
		return rapid.SliceOfN(rapid.Byte(), 150, 1000).Draw(rt, "random")
	case 3:
		return []byte{byte(rapid.IntRange(0, 3).Draw(rt, "format"))}
	default:
		n := rapid.IntRange(10, 60).Draw(rt, "lines")
		out := []byte(`{"lines":[`)
		for i := range n {
			out = fmt.Appendf(out, `{"line":"%d","sku":"ANCHOR-%04d","qty":"5"},`, i, i*7)
		}
		return append(out, "{}]}"...)
	}
})

var hash = rapid.Custom(func(rt *rapid.T) (h [sha256.Size]byte) {
	copy(h[:], rapid.SliceOfN(rapid.Byte(), sha256.Size, sha256.Size).Draw(rt, "hash"))
	return h
})

// moment is no time, or a time between the years 1 and 9999 in UTC.
var moment = rapid.Custom(func(rt *rapid.T) time.Time {
	switch rapid.IntRange(0, 5).Draw(rt, "moment") {
	case 0:
		return time.Time{}
	case 1:
		return time.UnixMicro(rapid.Int64Range(-62135596799_000_000, 253402300799_999_999).Draw(rt, "micro")).UTC()
	default:
		return time.UnixMicro(rapid.Int64Range(1_700_000_000_000_000, 1_900_000_000_000_000).Draw(rt, "micro")).UTC()
	}
})

func pick[T any](rt *rapid.T, vs ...T) T { return rapid.SampledFrom(vs).Draw(rt, "pick") }

func anyMessage(rt *rapid.T, id int64) ledger.Message {
	return ledger.Message{
		ID: id, Source: pick(rt, "shop", "erp", text.Draw(rt, "source")), DedupeID: fmt.Sprint(id, text.Draw(rt, "dedupe")),
		Topic: text.Draw(rt, "topic"), Status: pick(rt, ledger.Accepted, ledger.Quarantined, ledger.Rejected),
		Reason: text.Draw(rt, "reason"), ReceivedAt: moment.Draw(rt, "received"), SHA256: hash.Draw(rt, "sha256"),
		Header: blob.Draw(rt, "header"), Body: blob.Draw(rt, "body"),
		FirstEvent: rapid.Int64().Draw(rt, "first"), Events: rapid.IntRange(0, 5).Draw(rt, "events"),
	}
}

var eventStatesAll = []ledger.EventState{ledger.Applied, ledger.Superseded, ledger.Ignored, ledger.Limbo,
	ledger.ParkedEvent, ledger.QuarantinedEvent, ledger.Undecided}

func anyEvent(rt *rapid.T, id int64) ledger.Event {
	occurred := moment.Draw(rt, "occurred")
	if minutes := rapid.IntRange(-14*60, 14*60).Draw(rt, "zone"); !occurred.IsZero() && minutes != 0 {
		occurred = occurred.In(time.FixedZone("", minutes*60))
	}
	return ledger.Event{
		ID: id, Shard: rapid.IntRange(0, ledger.ShardCount-1).Draw(rt, "shard"), Seq: rapid.Int64().Draw(rt, "seq"),
		Waybill: rapid.Int64().Draw(rt, "waybill"), Message: rapid.Int64().Draw(rt, "message"),
		Type: waybill.EventType(text.Draw(rt, "type")), Source: text.Draw(rt, "source"),
		Subject: text.Draw(rt, "subject"), Version: rapid.Int64().Draw(rt, "version"),
		OccurredAt: occurred, RecordedAt: moment.Draw(rt, "recorded"), State: pick(rt, eventStatesAll...),
		Reason: text.Draw(rt, "reason"), Data: blob.Draw(rt, "data"), Decision: blob.Draw(rt, "decision"),
		Prev: hash.Draw(rt, "prev"), Hash: hash.Draw(rt, "hash"),
	}
}

func anyWaybill(rt *rapid.T, id int64) ledger.Waybill {
	tag := rapid.Int64().Draw(rt, "tag")
	return ledger.Waybill{
		ID: id, Shard: ledger.ShardOf(tag), Tag: tag,
		Kind: pick(rt, waybill.FlowSales, waybill.FlowReturn), Ref: text.Draw(rt, "ref"), Version: 1,
		Status: pick(rt, waybill.StatusReceived, waybill.StatusShipped), Customer: text.Draw(rt, "customer"),
		State: blob.Draw(rt, "state"), CreatedAt: moment.Draw(rt, "created"), UpdatedAt: moment.Draw(rt, "updated"),
	}
}

var deliveryStatesAll = []lane.State{lane.Ready, lane.InFlight, lane.InDoubt, lane.Waiting, lane.Parked,
	lane.Done, lane.Cancelled, lane.Skipped}

func anyDelivery(rt *rapid.T, id int64) lane.Delivery {
	d := lane.Delivery{
		ID: id, Waybill: rapid.Int64().Draw(rt, "waybill"), Shard: rapid.IntRange(0, 1023).Draw(rt, "shard"),
		Key: text.Draw(rt, "key"), Target: text.Draw(rt, "target"), Lane: text.Draw(rt, "lane"),
		Kind: waybill.Kind(text.Draw(rt, "kind")), Subject: text.Draw(rt, "subject"),
		Version: rapid.Int64().Draw(rt, "version"), Revision: rapid.IntRange(0, 9).Draw(rt, "revision"),
		Supersedes: text.Draw(rt, "supersedes"), Compensates: text.Draw(rt, "compensates"), Why: text.Draw(rt, "why"),
		Event: rapid.Int64().Draw(rt, "event"), DecidedAt: moment.Draw(rt, "decided"),
	}
	return onItsWay(rt, d)
}

// onItsWay draws anew what may change of a delivery.
func onItsWay(rt *rapid.T, d lane.Delivery) lane.Delivery {
	d.Front, d.Seq, d.After = rapid.Bool().Draw(rt, "front"), rapid.Int64().Draw(rt, "seq"), rapid.Int64().Draw(rt, "after")
	d.State, d.Reason = pick(rt, deliveryStatesAll...), text.Draw(rt, "reason")
	d.Detail, d.Hold = text.Draw(rt, "detail"), text.Draw(rt, "hold")
	d.Attempts, d.Failures = rapid.IntRange(0, 99).Draw(rt, "attempts"), rapid.IntRange(0, 99).Draw(rt, "failures")
	d.StartedAt, d.Deadline, d.EndedAt = moment.Draw(rt, "started"), moment.Draw(rt, "deadline"), moment.Draw(rt, "ended")
	d.Outcome, d.Epoch = pick(rt, "", waybill.Done, waybill.InDoubt), rapid.Int64().Draw(rt, "epoch")
	d.Due, d.AckBy = moment.Draw(rt, "due"), moment.Draw(rt, "ack_by")
	d.Next = pick(rt, lane.Send, lane.Ask, lane.AskThenRefuse, lane.AskPending, lane.Stay)
	d.Ref, d.N, d.SettledAt = text.Draw(rt, "ref"), rapid.Int64().Draw(rt, "n"), moment.Draw(rt, "settled")
	d.Digest = [32]byte{}
	if rapid.Bool().Draw(rt, "attempted") {
		d.Digest = hash.Draw(rt, "digest")
	}
	return d
}

func anyException(rt *rapid.T, id int64) exception.Exception {
	x := exception.Exception{
		ID: id, Waybill: rapid.Int64().Draw(rt, "waybill"), Ref: text.Draw(rt, "ref"), Cause: text.Draw(rt, "cause"),
		Subject: text.Draw(rt, "subject"), Detail: text.Draw(rt, "detail"), Next: text.Draw(rt, "next"),
		Since: moment.Draw(rt, "since"), ClosedAt: moment.Draw(rt, "closed"),
		State: pick(rt, exception.Open, exception.Closed), ClosedBy: text.Draw(rt, "closed_by"),
		Money: pick(rt, waybill.Money{},
			waybill.Money{Amount: waybill.MustDecimal("4812.60"), Currency: "EUR"},
			waybill.Money{Amount: waybill.MustDecimal("-1/3"), Currency: "JPY"},
			waybill.Money{Amount: waybill.MustDecimal("123456789012345678901234567890.12"), Currency: "KWD"}),
	}
	if actions := rapid.SliceOfN(text, 0, 3).Draw(rt, "actions"); len(actions) > 0 {
		x.Actions = actions
	}
	return x
}

func anyAudit(rt *rapid.T, _ int64) audit.Entry {
	return audit.Entry{
		At: moment.Draw(rt, "at"), Actor: text.Draw(rt, "actor"), Action: text.Draw(rt, "action"),
		Object: text.Draw(rt, "object"), Reason: text.Draw(rt, "reason"),
		Before: blob.Draw(rt, "before"), After: blob.Draw(rt, "after"),
	}
}
