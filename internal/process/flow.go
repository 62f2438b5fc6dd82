package process

import (
	"fmt"
	"slices"

	"github.com/waybillhq/waybill"
)

// Flow is the state of one waybill of any kind: folded from its events by
// Decide alone, a cache of the ledger, and not safe for concurrent use.
type Flow interface {
	// Decide folds an event in and returns what follows. The outcome depends on
	// the state, the event and the policy alone.
	Decide(e *waybill.Event, p *Policy) Decision
	// Compose returns a planned document with the content that the facts in
	// force give it now, right before its first attempt. Seq and After are the
	// caller's.
	Compose(key string, p *Policy) (waybill.Document, error)
	// Fetch attaches what the state leaves in the ledger, reading the data of
	// each event by its id.
	Fetch(read func(event int64) ([]byte, error)) error
	// Append writes the state behind b; [LoadFlow] reads it.
	Append(b []byte) []byte
	// Status is an order in one word; empty for what is no order.
	Status() waybill.Status
	// Customer is an order's buyer; empty where there is none.
	Customer() string
	// OpenValue is what an order is still to bring in, in its currency.
	OpenValue() (waybill.Decimal, string)
	// View shows the waybill (system contract C6).
	View() View
}

// Endless is a flow that has no end: an item is adjusted for years. Its state
// holds what is open; what is settled leaves it as [Past], and is asked for when
// it is named again.
type Endless interface {
	Flow
	// Asks names the past that must be recalled before e is decided; empty where
	// none is needed.
	Asks(e *waybill.Event) string
	// Recall brings back what was kept under a name; nil data says that nothing
	// was.
	Recall(name string, data []byte) error
	// Mark is how far the lane to a target has come: the last sequence number
	// given, and that of the last document that the target applied or took.
	Mark(target string) (seq, after int64)
}

// Past is what left the state of an endless flow. It replaces what was kept
// under the same name before.
type Past struct {
	Name string
	Data []byte
}

// NewFlow returns the state of a waybill of which nothing is known yet.
func NewFlow(kind waybill.FlowKind, ref string, p *Policy) Flow {
	switch kind {
	case waybill.FlowItem, waybill.FlowReceipt, waybill.FlowTransfer:
		return newStock(kind, ref)
	case waybill.FlowReturn:
		return newBlind(ref)
	case waybill.FlowInterchange:
		return newInterchange(ref)
	default:
		return New(ref, p)
	}
}

// LoadFlow reads the state of a waybill of a kind that Append wrote. What it
// leaves in the ledger is to be fetched before anything is asked of it.
func LoadFlow(kind waybill.FlowKind, b []byte) (Flow, error) {
	switch kind {
	case waybill.FlowItem, waybill.FlowReceipt, waybill.FlowTransfer:
		return loadStock(b)
	case waybill.FlowReturn:
		return loadBlind(b)
	case waybill.FlowInterchange:
		return loadInterchange(b)
	default:
		s, err := Load(b)
		if err != nil { // not a nil *Sales in a Flow that is not nil
			return nil, err
		}
		return s, nil
	}
}

// FlowTag is the number of the hash that all keys of a waybill's documents
// begin with. An order's is [Tag]; any other waybill's is that of its lane's
// name, which no order has.
func FlowTag(kind waybill.FlowKind, ref string, p *Policy) int64 {
	if kind == waybill.FlowSales {
		return Tag(ref, p)
	}
	return waybill.TagNumber(p.Namespace, "", waybill.Lane(kind, ref))
}

// Decide is the package's [Decide].
func (s *Sales) Decide(e *waybill.Event, p *Policy) Decision { return Decide(s, e, p) }

// Compose is the package's [Compose].
func (s *Sales) Compose(key string, p *Policy) (waybill.Document, error) { return Compose(s, key, p) }

// Lacks reports whether an item's record would tell the order a unit that it
// counts in, or that a fact waits for, or what a kit of it is made up of: the
// record is to be folded as item.known.
// What [Sales.Missing] lists must be attached.
func (s *Sales) Lacks(record *waybill.Item) bool {
	if record.BaseUOM == "" {
		return false
	}
	if s.lacksKit(record.SKU, record.Kit) {
		return true
	}
	if at := slices.IndexFunc(s.items, func(it Item) bool { return it.SKU == record.SKU }); at >= 0 {
		it := &s.items[at]
		news := slices.ContainsFunc(record.UOMs, func(u waybill.UOM) bool {
			_, known := it.factor(u.UOM)
			return !known
		})
		if !news || it.BaseUOM != record.BaseUOM {
			return false
		}
	} else if o := s.content(); o != nil && slices.ContainsFunc(o.Lines, func(l waybill.OrderLine) bool {
		return l.SKU == record.SKU && l.IsStock() && lineUnit(&l) != record.BaseUOM
	}) {
		return true
	}
	pic := s.look(nil)
	defer s.giveBack()
	return slices.Contains(pic.unitsAwaited(), record.SKU)
}

// appendBlob writes a small state as JSON behind the numbers of its format and
// schema.
func appendBlob(b []byte, state any) []byte {
	data, err := waybill.Marshal(state)
	if err != nil { // no state holds what JSON can't say: its texts came in as JSON
		return append(b, blobFormat, blobSchema)
	}
	return append(append(b, blobFormat, blobSchema), data...)
}

// loadBlob reads what appendBlob wrote. what names the state in errors.
func loadBlob(b []byte, what string, state any) error {
	if len(b) < 2 {
		return fmt.Errorf("load %s state: it is cut short; refold it from the ledger", what)
	}
	if b[0] != blobFormat || b[1] != blobSchema {
		return fmt.Errorf("load %s state: format %d schema %d is newer than this program; run the newer one", what, b[0], b[1])
	}
	if err := waybill.Unmarshal(b[2:], state); err != nil {
		return fmt.Errorf("load %s state: %w; refold it from the ledger", what, err)
	}
	return nil
}
