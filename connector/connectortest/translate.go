package connectortest

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// translators is how many goroutines translate the same message at once.
const translators = 8

// translate checks that every fixture becomes what it says, that the same
// bytes give the same events, and that no bytes whatever break it.
func (s *suite) translate(t *testing.T) {
	fixtures := Fixtures(t, filepath.Join(s.h.Fixtures, "in"))
	if len(fixtures) == 0 {
		if len(s.m.Emits) > 0 {
			t.Fatalf("it emits events, and %s/in has no fixtures", s.h.Fixtures)
		}
		t.Skip("no Translator")
	}
	for _, f := range fixtures {
		t.Run(f.Name, func(t *testing.T) {
			env := s.env("")
			env.Observe = true
			if role := f.Setting("role"); role != "" {
				env.Role = waybill.Role(role)
			}
			if prefix := f.Setting("prefix"); prefix != "" {
				env.OrderPrefix = prefix
			}
			if system := f.Setting("system"); system != "" {
				env.System = system
			}
			translator := s.openEnv(t, env).Translator
			m := f.Message(t, env.System)
			events, err := translator.Translate(m)
			if err != nil {
				f.Expect(t, "error", []byte(err.Error()), "events.json")
			} else {
				f.Expect(t, "events.json", eventsJSON(t, events), "error")
			}
			s.checkTranslation(t, env.System, m, events, err)
			pure(t, translator, m, events)
			mutate(m.Body, func(what string, body []byte) {
				mutant := m
				mutant.Body = body
				events, err := translate(t, translator, mutant, what)
				s.checkTranslation(t, env.System, mutant, events, err)
			})
		})
	}
}

// translate reports a panic with the bytes that caused it.
func translate(t *testing.T, tr connector.Translator, m connector.Message, what string) (events []waybill.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("Translate panics on a message with %s: %v\n%.2000q", what, r, m.Body)
		}
	}()
	return tr.Translate(m)
}

// pure translates the same bytes side by side and expects one answer.
func pure(t *testing.T, tr connector.Translator, m connector.Message, want []waybill.Event) {
	t.Helper()
	before := bytes.Clone(m.Body)
	wanted := eventsJSON(t, want)
	got := make([][]waybill.Event, translators)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i], _ = tr.Translate(m) })
	}
	all.Wait()
	for _, events := range got {
		if again := eventsJSON(t, events); !bytes.Equal(again, wanted) {
			t.Errorf("the same bytes gave other events:\n%s\nbefore:\n%s", again, wanted)
		}
	}
	if !bytes.Equal(before, m.Body) {
		t.Error("Translate changed the message's body")
	}
}

// checkTranslation holds what came of a message against what the engine takes
// for granted.
func (s *suite) checkTranslation(t *testing.T, system string, m connector.Message, events []waybill.Event, err error) {
	t.Helper()
	if err != nil {
		u := (*connector.Untranslatable)(nil)
		switch {
		case !errors.As(err, &u):
			t.Fatalf("error %v is a %T, want a connector.Untranslatable, on\n%.2000q", err, err, m.Body)
		case u.Reason == "":
			t.Fatalf("an Untranslatable without a reason, on\n%.2000q", m.Body)
		case u.Field == "" && jsontext.Value(m.Body).IsValid() && jsontext.Value(m.Body).Kind() == '{' && m.Topic == "":
			t.Fatalf("error %q names no field, on\n%.2000q", err, m.Body)
		case len(events) > 0:
			t.Fatalf("events and an error (%v), on\n%.2000q", err, m.Body)
		}
		return
	}
	for _, e := range events {
		switch {
		case !slices.Contains(s.m.Emits, e.Type):
			t.Fatalf("event type %s is not among the manifest's Emits", e.Type)
		case e.Source != system:
			t.Fatalf("event source is %q, want the system %q", e.Source, system)
		case e.Version < 1:
			t.Fatalf("event version is %d, on\n%.2000q", e.Version, m.Body)
		case e.Subject == "":
			t.Fatalf("%s has no subject, on\n%.2000q", e.Type, m.Body)
		case e.OccurredAt.IsZero():
			t.Fatalf("%s has no time, on\n%.2000q", e.Type, m.Body)
		case !e.Data.IsValid() || e.Data.Kind() != '{':
			t.Fatalf("%s: data is no JSON object:\n%.2000q", e.Type, e.Data)
		case e.ID != "" || !e.RecordedAt.IsZero():
			t.Fatalf("%s: id and time of recording are the ledger's to give", e.Type)
		}
	}
}
