package api

import (
	"net/http"
	"time"

	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/trace"
)

// interchange is an EDI interchange of a trading partner.
type interchange struct {
	Message    string     `json:"message"` // that came in; empty: it went out
	Key        string     `json:"key"`     // of the delivery that went out; empty: it came in
	System     string     `json:"system"`
	Control    string     `json:"control"` // ISA13
	Sets       []string   `json:"sets"`    // kinds of transaction sets in it
	State      string     `json:"state"`   // accepted, accepted_with_errors, rejected, quarantined; of one sent also awaiting, overdue, sent or the delivery's
	Reason     string     `json:"reason"`
	At         time.Time  `json:"at"`          // received, or the last attempt's start
	AckBy      *time.Time `json:"ack_by"`      // of one sent: when its acknowledgment is due
	AnsweredBy string     `json:"answered_by"` // of one sent: the message that acknowledged it
	Answers    []string   `json:"answers"`     // of one received: the keys of the acknowledgments that its sender gets
	Orders     []string   `json:"orders"`
}

func interchangeRoutes() []Route {
	return []Route{{Method: "GET", Path: "/api/v1/interchanges", Role: auth.Viewer, Tag: "edi",
		Summary: "List the EDI interchanges of a trading partner, both ways, newest first", list: true,
		Query:   listOf(Param{Name: "system", Doc: "the partner's name; required"}),
		answers: ok(interchange{}), serve: (*API).interchanges}}
}

func (a *API) interchanges(c *call) error {
	before, limit, err := c.query.page()
	if err != nil {
		return err
	}
	if c.query["system"] == "" {
		return reject(http.StatusBadRequest, "system_missing", "system", "the partner is not named", "send system=NAME, a system of the configuration with the connector edi")
	}
	found, more, err := a.Trace.Interchanges(c.Context(), trace.InterchangeQuery{Systems: []string{c.query["system"]}, Before: before, Limit: limit, Now: time.Now()})
	if err != nil {
		return err
	}
	page, next := make([]interchange, len(found)), int64(0)
	for i := range found {
		f := &found[i]
		next = f.ID
		page[i] = interchange{Message: id(messagePrefix, f.Message), Key: f.Key, System: f.System, Control: f.Control, Sets: some(f.Sets), State: f.State,
			Reason: f.Reason, At: f.At, AckBy: moment(f.AckBy), AnsweredBy: id(messagePrefix, f.AnsweredBy), Answers: []string{}, Orders: some(f.Orders)}
		for _, answer := range f.Answers {
			page[i].Answers = append(page[i].Answers, answer.Key)
		}
	}
	return writeList(c, page, more, next)
}

// some is a list that is written as [] where it is empty.
func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
