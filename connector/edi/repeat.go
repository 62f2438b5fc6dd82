package edi

import (
	"bytes"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
)

// seenBefore is a memory that knows every interchange.
type seenBefore x12.Seen

func (s seenBefore) Received(string, [32]byte) x12.Seen { return x12.Seen(s) }

// Repeated implements [connector.Repeater]: an interchange whose control number
// came before is refused as a duplicate (TA1 025), where the partner is sent
// TA1s, and nothing is made of it. Sent again unchanged it is harmless; with other
// content, its sender has to number it anew, and a person is told.
func (s *system) Repeated(m connector.Message, same bool) ([]waybill.Event, error) {
	if s.partner.Duplicates == "none" {
		return nil, nil
	}
	seen := x12.Different
	if same {
		seen = x12.Same
	}
	v, err := s.profile.Judge(bytes.NewReader(m.Body), seenBefore(seen), m.ReceivedAt)
	if err != nil || len(v.Interchanges) == 0 || v.Interchanges[0].AcksOnly && same {
		return nil, err
	}
	r := &receiving{system: s, verdict: &v.Interchanges[0], at: m.ReceivedAt}
	r.open(v, m.Body)
	rep := &r.report
	rep.Interchange = id(rep.Interchange + "-" + strconv.FormatInt(m.ReceivedAt.UnixMicro(), 36)) // each time is one of its own
	if same {
		rep.Problem = ""
	}
	if rep.Problem == "" && len(rep.Answers) == 0 {
		return nil, nil
	}
	ev, err := r.itself()
	return []waybill.Event{ev}, err
}
