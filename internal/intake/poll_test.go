package intake_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/store"
)

// feed is a system with a list of changes, two on a page. Its cursor is how
// many were read.
type feed struct {
	changes []string // "id=body"
	fail    error
	until   time.Time // throttled
	asked   []string
}

func (f *feed) Polls() []connector.Poll {
	return []connector.Poll{{Name: "changes", Every: time.Minute}}
}

func (f *feed) Poll(_ context.Context, name, cursor string) (connector.Page, error) {
	f.asked = append(f.asked, name+":"+cursor)
	if f.fail != nil {
		return connector.Page{}, f.fail
	}
	at := 0
	if cursor != "" {
		at, _ = strconv.Atoi(cursor)
	}
	page := connector.Page{RetryAfter: f.until, Cursor: cursor}
	if !f.until.IsZero() {
		return page, nil
	}
	end := min(at+2, len(f.changes))
	for _, c := range f.changes[at:end] {
		id, body, _ := strings.Cut(c, "=")
		page.Messages = append(page.Messages, connector.Polled{ID: id, Topic: "poll/changes", Body: []byte(body)})
	}
	page.Cursor, page.More = strconv.Itoa(end), end < len(f.changes)
	return page, nil
}

func (f *feed) Translate(m connector.Message) ([]waybill.Event, error) {
	if string(m.Body) == "bad" {
		return nil, &connector.Untranslatable{Field: "body", Reason: "is bad"}
	}
	return []waybill.Event{{Type: waybill.PickConfirmed, Source: m.System, Subject: string(m.Body)}}, nil
}

// cursors keeps them as a store would.
type cursors struct {
	mu     sync.Mutex
	values map[string]string
	err    error
}

func (c *cursors) Setting(_ context.Context, name string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.values[name]
	if !ok {
		return "", fmt.Errorf("setting %s: %w", name, store.ErrNotFound)
	}
	return v, nil
}

func (c *cursors) Remember(_ context.Context, name, value string, _ *audit.Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.values == nil {
		c.values = map[string]string{}
	}
	c.values[name] = value
	return nil
}

// asker is one question over a feed, and what was told of it.
type asker struct {
	f        *feed
	b        *books
	c        *cursors
	now      time.Time
	told     []string
	question *intake.Question
}

func (a *asker) restart() {
	a.question = intake.NewQuestions(intake.PollOptions{Keeper: a.b, Cursors: a.c, Rememberer: a.c, Now: func() time.Time { return a.now }, MaxBody: 1000,
		Systems: []engine.System{{Name: "pushes", Conn: connector.Connector{Translator: a.f}}, {Name: "depot", Conn: connector.Connector{Poller: a.f, Translator: a.f}}},
		Report: func(_ context.Context, t engine.Trouble) error {
			a.told = append(a.told, t.Cause+" "+t.Subject+" "+t.Detail)
			return nil
		}})[0]
}

func newAsker(changes ...string) *asker {
	a := &asker{f: &feed{changes: changes}, b: &books{}, c: &cursors{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	a.restart()
	return a
}

// kept lists the ids of the messages that were kept, with their status.
func (a *asker) kept() []string {
	var out []string
	for _, m := range a.b.messages {
		out = append(out, m.DedupeID+" "+string(m.Status))
	}
	return out
}

func TestQuestion_TakesPageByPage(t *testing.T) {
	a := newAsker("1=a", "2=bad", "3=c")
	if a.question.String() != "depot/changes" {
		t.Errorf("it is %s", a.question)
	}
	if again := a.question.Step(t.Context()); !again.Equal(a.now) {
		t.Errorf("there is more, and it asks again at %s", again)
	}
	if again := a.question.Step(t.Context()); !again.Equal(a.now.Add(time.Minute)) {
		t.Errorf("nothing more is there, and it asks again at %s", again)
	}
	a.question.Step(t.Context())
	if d := cmp.Diff([]string{"1 accepted", "2 quarantined", "3 accepted"}, a.kept()); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
	if m := a.b.messages[0]; m.Source != "depot" || m.Topic != "poll/changes" || string(m.Body) != "a" || len(a.b.events[0]) != 1 || a.b.messages[1].Reason != "body: is bad" {
		t.Errorf("message %+v", m)
	}
	if d := cmp.Diff([]string{"changes:", "changes:2", "changes:3"}, a.f.asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	if len(a.told) > 0 {
		t.Errorf("told %v", a.told)
	}
}

// The cursor is kept after the messages: whatever breaks between, nothing is
// lost, and what is read twice is known.
func TestQuestion_ACrashAnywhereLosesNothing(t *testing.T) {
	want := []string{"1 accepted", "2 accepted", "3 accepted", "4 accepted", "5 accepted"}
	for _, at := range []string{"message", "cursor"} {
		a := newAsker("1=a", "2=b", "3=c", "4=d", "5=e")
		for step := range 10 {
			if at == "message" {
				a.b.err = nil
				if step%2 == 0 {
					a.b.err = errors.New("cut")
				}
			} else {
				a.c.err = nil
				if step%2 == 0 {
					a.c.err = errors.New("cut")
				}
			}
			a.question.Step(t.Context())
			a.restart()
		}
		if d := cmp.Diff(want, a.kept()); d != "" {
			t.Errorf("crash at each %s (-want +got):\n%s", at, d)
		}
		if got := a.c.values["poll:depot/changes"]; got != "5" {
			t.Errorf("cursor %q", got)
		}
	}
}

func TestQuestion_TroubleIsToldOnceAndClosed(t *testing.T) {
	a := newAsker("1=a")
	a.f.fail = errors.New("it answered 500")
	for range 3 {
		if again := a.question.Step(t.Context()); again.Before(a.now.Add(time.Minute)) {
			t.Errorf("it asks again at %s", again)
		}
	}
	a.f.fail = nil
	a.question.Step(t.Context())
	want := []string{"poll_failed depot/changes depot can't be asked for changes: it answered 500", "poll_failed depot/changes "}
	if d := cmp.Diff(want, a.told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}

func TestQuestion_WhatCantBeTakenStopsTheCursor(t *testing.T) {
	for name, tt := range map[string]struct{ first, second, want string }{
		"another body under the same id": {"1=a", "1=b", "came before with other content"},
		"too large":                      {"1=a", "2=" + strings.Repeat("x", 2000), "max_body"},
	} {
		a := newAsker(tt.first)
		a.question.Step(t.Context())
		a.f.changes = append(a.f.changes, tt.second)
		a.question.Step(t.Context())
		if len(a.told) != 1 || !strings.Contains(a.told[0], tt.want) || a.c.values["poll:depot/changes"] != "1" {
			t.Errorf("%s: told %v, cursor %v", name, a.told, a.c.values)
		}
	}
}

func TestQuestion_WaitsAsLongAsTheSystemWants(t *testing.T) {
	a := newAsker("1=a")
	a.f.until = a.now.Add(7 * time.Second)
	if again := a.question.Step(t.Context()); !again.Equal(a.f.until) || len(a.told) > 0 || len(a.c.values) > 0 {
		t.Errorf("again at %s, told %v, cursors %v", again, a.told, a.c.values)
	}
}
