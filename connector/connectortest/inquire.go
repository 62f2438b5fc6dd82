package connectortest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/waybillhq/waybill/connector"
)

// Inquire is what the suite needs to know of an Inquirer.
type Inquire struct {
	// Found answers a look-up so that the key took effect; nil: the suite
	// can't test the Inquirer.
	Found http.HandlerFunc
	// Inquiry is what is asked; its empty fields come from the attempt.
	Inquiry connector.Inquiry
	// Answers are the counterpart's answers and what they mean.
	Answers []Lookup
}

// Lookup is one answer to a look-up and what it means.
type Lookup struct {
	Name    string
	Respond http.HandlerFunc
	Want    connector.FindingState
	Check   func(t *testing.T, f connector.Finding) // may be nil
}

// inquire checks the table of answers, and that no fault is taken for one: an
// error is not an absence.
func (s *suite) inquire(t *testing.T) {
	h := s.h.Inquire
	if h.Found == nil {
		t.Skip("no Inquirer in the harness")
	}
	q := h.Inquiry
	a := s.attempt(t)
	if q.Key == "" {
		q.Kind, q.Order, q.Key, q.Subject, q.Body = a.Kind, a.Order, a.Key, a.Subject, a.Body
	}
	if q.Deadline.IsZero() {
		q.Deadline = a.Deadline
	}
	answers := append([]Lookup{{Name: "Found", Respond: h.Found, Want: connector.FoundApplied}}, h.Answers...)
	for _, l := range answers {
		t.Run("Answer/"+l.Name, func(t *testing.T) {
			c, _ := s.open(t, l.Respond)
			f, err := c.Inquirer.Inquire(t.Context(), q)
			if err != nil {
				f.State = connector.FoundUnknown // as the engine takes it
			}
			if f.State != l.Want {
				t.Errorf("found %s (%s, error %v), want %s", f.State, f.Note, err, l.Want)
			}
			if l.Check != nil {
				l.Check(t, f)
			}
		})
	}
	unknown := func(t *testing.T, c connector.Connector, within time.Duration) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		f, err := c.Inquirer.Inquire(ctx, q)
		if err == nil && f.State != connector.FoundUnknown {
			t.Errorf("found %s (%s), want unknown", f.State, f.Note)
		}
	}
	for _, f := range slices.Concat(faults(), silence()) {
		t.Run(f.name, func(t *testing.T) {
			c, _ := s.open(t, f.handler)
			unknown(t, c, f.patience())
		})
	}
	t.Run("NoConnection", func(t *testing.T) {
		env := s.env(nobody(t))
		env.Client = client(t)
		unknown(t, s.openEnv(t, env), patience)
	})
}

// silence lists answers that are clear for a document and say nothing about a
// key.
func silence() []fault {
	return []fault{
		{name: "Status404Page", handler: func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
		{name: "Status400", handler: status(http.StatusBadRequest)},
		{name: "Status401", handler: status(http.StatusUnauthorized)},
		{name: "Status403", handler: status(http.StatusForbidden)},
		{name: "Status410", handler: status(http.StatusGone)},
		{name: "Status429", handler: status(http.StatusTooManyRequests)},
		{name: "Status503", handler: status(http.StatusServiceUnavailable)},
		{name: "EmptyObject", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{}"))
		}},
	}
}
