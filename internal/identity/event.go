package identity

import (
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
)

// Event translates an event in place, with the waybill and the subject that it
// names where those are an item, a customer or a warehouse. An event that names
// something unmapped stays as it is, and what is missing is returned. f says
// whose event it is and when it came; its data are the event's.
func (b *Book) Event(f Fact, ev *waybill.Event) ([]Missing, error) {
	if len(f.Profile) == 0 || !fact.Known(ev.Type) || ev.Type == waybill.DocumentApplied || ev.Type == waybill.DocumentRejected {
		return nil, nil
	}
	f.Data = ev.Data
	if f.Data == nil && ev.Body != nil {
		var err error
		if f.Data, err = waybill.Marshal(ev.Body); err != nil {
			return nil, fmt.Errorf("write %s to translate it: %w", ev.Type, err)
		}
	}
	data, missing, err := b.Translate(f)
	if err != nil || len(missing) > 0 {
		return missing, err
	}
	out := *ev
	out.Data, out.Body = data, nil
	switch ev.Flow {
	case waybill.FlowItem, waybill.FlowCustomer, "": // they are named after what was translated
		if err := rename(&out); err != nil {
			return nil, err
		}
	}
	*ev = out
	return nil, nil
}

// rename gives an event the names that its data have now.
func rename(ev *waybill.Event) error {
	body, err := fact.DecodeBytes(ev.Data, ev.Type)
	if err != nil {
		return fmt.Errorf("read the translated %s: %w", ev.Type, err)
	}
	same, err := fact.Source{System: ev.Source}.Read(fact.Fact{Type: ev.Type, At: ev.OccurredAt, Data: ev.Data, Body: body})
	if err != nil {
		return fmt.Errorf("read the translated %s: %w", ev.Type, err)
	}
	ev.Ref, ev.Subject = same[0].Ref, same[0].Subject
	return nil
}

// Lines finds how a system named the lines of its order, for [Fact] and
// [Outgoing]. Without an order it finds none.
func Lines(system string, order *waybill.Order) func(line string) (Named, bool) {
	return func(line string) (Named, bool) {
		if order == nil {
			return Named{}, false
		}
		for i := range order.Lines {
			l := &order.Lines[i]
			if l.Line != line || len(l.Unknown) == 0 {
				continue
			}
			var kept struct {
				AsNamed Named `json:"as_named"`
			}
			if waybill.Unmarshal(l.Unknown, &kept) != nil || kept.AsNamed.System != system {
				return Named{}, false
			}
			return kept.AsNamed, true
		}
		return Named{}, false
	}
}
