package tower

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

const interchangesPerPage = 25

// InterchangeQuery asks for a page of EDI interchanges.
type InterchangeQuery struct {
	System string // a partner; empty: all
	After  string // InterchangePage.Next of the page before
	Limit  int    // at least 1
}

// InterchangePage is one page of interchanges, newest first.
type InterchangePage struct {
	Partners     []string // the configured trading partners
	Interchanges []Interchange
	Next         string // empty: the last page
}

// Interchange is an EDI interchange in a list.
type Interchange struct {
	ID         string // opens it: a message's id or a delivery's key
	Outbound   bool
	System     string
	Control    string
	Sets       []string // 850, 997, ...
	At         time.Time
	State      string // accepted, accepted_with_errors, rejected, quarantined; of one sent also awaiting, overdue, sent
	Reason     string
	AckBy      time.Time // when an acknowledgment is due; zero: none is
	AnsweredBy string    // the message that acknowledged it; may be empty
	Answers    []InterchangeAnswer
	Orders     []string
}

// InterchangeAnswer is an acknowledgment that goes to the sender.
type InterchangeAnswer struct {
	ID    string // opens it
	State string // of its delivery
}

// ediListView is the page of all interchanges.
type ediListView struct {
	InterchangePage
	Query InterchangeQuery
	Now   time.Time
	Link  string // of this list, without its place in the pages
}

func (t *tower) ediList(ctx context.Context, q url.Values) (view, error) {
	query := InterchangeQuery{System: q.Get("system"), After: q.Get("after"), Limit: interchangesPerPage}
	page, err := t.src.Interchanges(ctx, query)
	if err != nil {
		return view{}, fmt.Errorf("list interchanges: %w", err)
	}
	v := ediListView{InterchangePage: page, Query: query, Now: t.now(), Link: queryWith("/edi", "system", query.System)}
	return view{Title: "EDI", Nav: "edi", page: "edi", Body: v, parts: []part{{id: "edi-body", tmpl: "edi-body", data: v}}}, nil
}
