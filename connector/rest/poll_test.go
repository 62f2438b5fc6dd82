package rest_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/connector"
)

func sha1Of(payload string) string {
	mac := hmac.New(sha1.New, []byte("the-secret"))
	mac.Write([]byte(payload))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// read polls to the end, from a cursor, and gives the ids and the cursor.
func read(t *testing.T, c connector.Connector, cursor string) ([]string, string) {
	t.Helper()
	var ids []string
	for range 20 {
		page, err := c.Poller.Poll(t.Context(), "p", cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			ids = append(ids, m.ID)
			if m.Topic != "poll/p" || len(m.Body) == 0 {
				t.Errorf("message %+v", m)
			}
		}
		cursor = page.Cursor
		if !page.More {
			return ids, cursor
		}
	}
	t.Fatal("it does not end")
	return nil, ""
}

// polled is a spec with one poll.
func polled(poll string) string {
	return plainSpec + "auth: {scheme: none}\npolls:\n  p: {every: 10s, events: events, items: '.body.items[]', id: .id, " + poll + "}\n"
}

func ids(names ...string) []string {
	for i := range names {
		names[i] = "poll/p/" + names[i]
	}
	return names
}

func TestPoll_Pages(t *testing.T) {
	tests := []struct {
		name, poll string
		answers    map[string]string // by the query
		link       map[string]string
		want       []string
	}{
		{name: "none", poll: "path: /changes", answers: map[string]string{"": `{"items":[{"id":1},{"id":2}]}`}, want: ids("1", "2")},
		{name: "number", poll: "path: '/changes?page={page}', pages: number, first: 1",
			answers: map[string]string{"page=1": `{"items":[{"id":1}]}`, "page=2": `{"items":[{"id":2}]}`, "page=3": `{"items":[]}`}, want: ids("1", "2")},
		{name: "offset", poll: "path: '/changes?from={offset}', pages: offset",
			answers: map[string]string{"from=0": `{"items":[{"id":1},{"id":2}]}`, "from=2": `{"items":[{"id":3}]}`, "from=3": `{"items":[]}`}, want: ids("1", "2", "3")},
		{name: "cursor", poll: "path: '/changes?size=2&after={cursor}', pages: cursor, next: .body.next",
			answers: map[string]string{"size=2": `{"items":[{"id":1}],"next":"a b"}`, "size=2&after=a+b": `{"items":[{"id":2}],"next":null}`}, want: ids("1", "2")},
		{name: "link", poll: "path: /changes, pages: link", link: map[string]string{"": `</base/x>; rel="prev", </base/changes?page=2>; rel="next"`},
			answers: map[string]string{"": `{"items":[{"id":1}]}`, "page=2": `{"items":[{"id":2}]}`}, want: ids("1", "2")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := open(t, polled(tt.poll), func(w http.ResponseWriter, r *http.Request) {
				body, ok := tt.answers[r.URL.RawQuery]
				if !ok || r.URL.Path != "/base/changes" {
					t.Errorf("asked for %s", r.URL)
				}
				if link := tt.link[r.URL.RawQuery]; link != "" {
					w.Header().Set("Link", link)
				}
				answer(200, body)(w, r)
			})
			for range 2 { // the next reading begins at the start
				got, cursor := read(t, c, "")
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("ids (-want +got):\n%s", d)
				}
				if again, _ := read(t, c, cursor); cmp.Diff(tt.want, again) != "" {
					t.Errorf("from the cursor %s: %v", cursor, again)
				}
			}
		})
	}
}

// A feed goes on where it was left, and stays there while nothing is new.
func TestPoll_FeedGoesOn(t *testing.T) {
	entries := []string{"a", "b", "c"}
	c, _ := open(t, polled("path: '/changes?after={cursor}', pages: feed, next: .body.last"), func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		var items []string
		last := after
		for _, e := range entries {
			if e > after && len(items) < 2 {
				items, last = append(items, fmt.Sprintf(`{"id":%q}`, e)), e
			}
		}
		answer(200, fmt.Sprintf(`{"items":[%s],"last":%q}`, strings.Join(items, ","), last))(w, r)
	})
	got, cursor := read(t, c, "")
	if d := cmp.Diff(ids("a", "b", "c"), got); d != "" {
		t.Errorf("ids (-want +got):\n%s", d)
	}
	if got, same := read(t, c, cursor); len(got) != 0 || same != cursor {
		t.Errorf("nothing is new: %v, cursor %s", got, same)
	}
	entries = append(entries, "d")
	if got, _ := read(t, c, cursor); cmp.Diff(ids("d"), got) != "" {
		t.Errorf("one is new: %v", got)
	}
}

// Changes are asked for from a little before the latest one seen.
func TestPoll_SinceOverlaps(t *testing.T) {
	var asked []string
	items := `{"id":1,"at":"2026-01-02T04:00:00+01:00"},{"id":2,"at":"2026-01-02T03:04:00Z"}`
	c, _ := open(t, polled("path: '/changes?since={since}&page={page}', pages: number, since: {at: .at, overlap: 60s, start: 24h}"), func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("since")+" "+r.URL.Query().Get("page"))
		if r.URL.Query().Get("page") != "0" {
			answer(200, `{"items":[]}`)(w, r)
			return
		}
		answer(200, `{"items":[`+items+`]}`)(w, r)
	})
	_, cursor := read(t, c, "")
	_, cursor = read(t, c, cursor)
	items = ""
	read(t, c, cursor)
	want := []string{"2026-01-01T03:03:05Z 0", "2026-01-01T03:03:05Z 1", "2026-01-02T03:03:00Z 0", "2026-01-02T03:03:00Z 1", "2026-01-02T03:03:00Z 0"}
	if d := cmp.Diff(want, asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

func TestPoll_WhatIsNoPageMovesNothing(t *testing.T) {
	good := polled("path: /changes, pages: link, since: {at: .at}")
	good = strings.Replace(good, "path: /changes", "path: '/changes?since={since}'", 1)
	tests := []struct {
		name    string
		respond http.HandlerFunc
		want    string
	}{
		{"500", answer(500, ``), "500"}, {"no JSON", answer(200, `<html>`), "no JSON"}, {"404", answer(404, `{}`), "404"},
		{"no list", answer(200, `{"items":7}`), "iterate"}, {"no id", answer(200, `{"items":[{"at":"2026-01-02T03:04:05Z"}]}`), "item 0"},
		{"no time", answer(200, `{"items":[{"id":1,"at":"yesterday"}]}`), "no time"},
		{"link away", answer(200, `{"items":[]}`, "Link", `<https://elsewhere.example.com/next>; rel="next"`), "leads away"},
		{"401", answer(401, ``), "refuses"}, {"redirect", answer(302, ``, "Location", "/x"), "302"},
		{"too many", answer(200, `{"items":[`+strings.Repeat(`{"id":1,"at":1},`, 6000)+`{"id":2,"at":1}]}`), "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := open(t, good, tt.respond)
			page, err := c.Poller.Poll(t.Context(), "p", "")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("page %+v, error %v; want %q", page, err, tt.want)
			}
		})
	}
	c, clock := open(t, good, answer(429, ``, "Retry-After", "30"))
	page, err := c.Poller.Poll(t.Context(), "p", `{"since":"2026-01-01T00:00:00Z"}`)
	if err != nil || page.Cursor != `{"since":"2026-01-01T00:00:00Z"}` || page.RetryAfter.Sub(clock.now()) != 30*time.Second {
		t.Errorf("page %+v, error %v", page, err)
	}
	if _, err := c.Poller.Poll(t.Context(), "p", `nonsense`); err == nil {
		t.Error("a cursor of another connector is taken")
	}
	if _, err := c.Poller.Poll(t.Context(), "nosuch", ``); err == nil {
		t.Error("a poll that is not there is answered")
	}
}
