package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/mapping"
)

// pollBody is a question that is asked again and again, as it is written.
type pollBody struct {
	Path   string        `yaml:"path"`
	Every  time.Duration `yaml:"every"`
	Items  string        `yaml:"items"`
	ID     string        `yaml:"id"`
	Events string        `yaml:"events"`
	Pages  string        `yaml:"pages"`
	First  int           `yaml:"first"`
	Next   string        `yaml:"next"`
	Since  *sinceBody    `yaml:"since"`
}

// sinceBody is how "changed since" is asked: at reads an item's time of change.
type sinceBody struct {
	At      string        `yaml:"at"`
	Form    string        `yaml:"form"`
	Overlap time.Duration `yaml:"overlap"`
	Start   time.Duration `yaml:"start"`
}

// Ways of paging.
const (
	pagesNone   = "none"
	pagesNumber = "number"
	pagesOffset = "offset"
	pagesCursor = "cursor" // up to the end, then from the start
	pagesFeed   = "feed"   // a cursor that goes on where it was left
	pagesLink   = "link"   // RFC 8288, rel="next"
)

// pageItemsMax bounds the items of one page, pagesMax the pages up to the end.
const (
	pageItemsMax = 5000
	pagesMax     = 10_000
)

type poll struct {
	pollBody
	path   template
	items  *mapping.Program
	id     *mapping.Program
	at     *mapping.Program
	next   *mapping.Program
	events *mapping.Program
}

func (r *reader) poll(name string, b pollBody) {
	at := func(keys ...any) []any { return append([]any{"polls", name}, keys...) }
	if !waybill.ValidID(name) || len(name) > 40 {
		r.y.Wrong(fmt.Sprintf("%q can't be a poll's name", name), "use at most 40 letters, digits and . _ ~ -", at()...)
	}
	if b.Pages == "" {
		b.Pages = pagesNone
	}
	r.oneOf(b.Pages, []string{pagesNone, pagesNumber, pagesOffset, pagesCursor, pagesFeed, pagesLink}, at("pages")...)
	if b.Every < everyMin || b.Every > durationMax {
		r.y.Wrong("is out of range", "write how often it is asked, like 30s", at("every")...)
	}
	p := &poll{pollBody: b, items: r.required(b.Items, "write jq that gives the items, like .body.items[]", at("items")...),
		id:     r.required(b.ID, "write jq on an item that gives its id, new with every change of it, like \"\\(.id)-\\(.revision)\"", at("id")...),
		events: r.named(b.Events, at("events")...)}
	words := []string{"since"}
	needs := ""
	switch b.Pages {
	case pagesNumber:
		words, needs = append(words, "page"), "page"
	case pagesOffset:
		words, needs = append(words, "offset"), "offset"
	case pagesCursor, pagesFeed:
		words, needs = append(words, "cursor"), "cursor"
		p.next = r.required(b.Next, "write jq on the answer that gives the next cursor, null at the end", at("next")...)
	}
	p.path = r.path(b.Path, words, at("path")...)
	if needs != "" && !slices.Contains(p.path.words(), needs) {
		r.y.Wrong("has no place for the page", "add {"+needs+"}", at("path")...)
	}
	if slices.Contains(p.path.words(), "since") != (b.Since != nil) {
		r.y.Wrong("{since} in path and since belong together", "write both or none", at("since")...)
	}
	if b.Since != nil {
		if b.Since.Form == "" {
			p.Since.Form = "rfc3339"
		}
		r.oneOf(p.Since.Form, []string{"rfc3339", "unix", "unix_ms", "date"}, at("since", "form")...)
		p.at = r.required(b.Since.At, "write jq on an item that gives when it changed, like .updated_at", at("since", "at")...)
		for i, d := range []time.Duration{b.Since.Overlap, b.Since.Start} {
			if d < 0 || d > durationMax {
				r.y.Wrong("is out of range", "write a time like 60s", at("since", []string{"overlap", "start"}[i])...)
			}
		}
	}
	r.s.polls[name] = p
}

// required compiles a program that can't be left out.
func (r *reader) required(source, fix string, path ...any) *mapping.Program {
	if source == "" {
		r.y.Wrong("is missing", fix, path...)
		return nil
	}
	return r.program(source, path...)
}

// Polls lists the spec's polls.
func (s *system) Polls() []connector.Poll {
	list := make([]connector.Poll, 0, len(s.polls))
	for _, name := range s.pollNames() {
		list = append(list, connector.Poll{Name: name, Every: s.polls[name].Every})
	}
	return list
}

// place is where a poll goes on: the cursor that is kept between requests.
type place struct {
	Since time.Time `json:"since,omitzero"` // changes before it are read
	Seen  time.Time `json:"seen,omitzero"`  // the latest change seen in this reading
	Page  int       `json:"page,omitzero"`  // pages read of this reading
	Count int       `json:"count,omitzero"` // items read of this reading
	Token string    `json:"token,omitzero"` // the next page's cursor or address
}

// Poll asks for one page. Where the reading comes to its end, the next one
// begins a little before the latest change seen: what was seen twice has one
// id.
func (s *system) Poll(ctx context.Context, name, cursor string) (connector.Page, error) {
	p := s.polls[name]
	if p == nil {
		return connector.Page{}, fmt.Errorf("the spec of %s has no poll %q", s.source.System, name)
	}
	at, err := s.placeOf(p, cursor)
	if err != nil {
		return connector.Page{}, err
	}
	if until, used := s.usedUp(); used {
		return connector.Page{Cursor: cursor, RetryAfter: until}, nil
	}
	path, err := p.address(at)
	if err != nil {
		return connector.Page{}, fmt.Errorf("poll %s of %s: %w", name, s.source.System, err)
	}
	q := request{Method: http.MethodGet, Path: path}.http(s.base)
	q.Limit = pageBytesMax
	a, err := s.call(ctx, q)
	if done, page, err := s.refusedPage(name, cursor, a, err); done {
		return page, err
	}
	page, err := s.page(p, name, at, a)
	if err != nil {
		return connector.Page{}, fmt.Errorf("poll %s of %s: %w", name, s.source.System, err)
	}
	return page, nil
}

// refusedPage is what anything but a page means.
func (s *system) refusedPage(name, cursor string, a connector.Answer, err error) (bool, connector.Page, error) {
	var refused *refusedError
	until, named := connector.RetryAfter(a.Header, s.now())
	switch {
	case errors.As(err, &refused), err == nil && a.Status == http.StatusUnauthorized:
		return true, connector.Page{}, connector.Reject(http.StatusUnauthorized, "unauthorized", "",
			fmt.Sprintf("system %s refuses Waybill's credential", s.source.System), "renew the system's token")
	case err != nil:
		return true, connector.Page{}, fmt.Errorf("poll %s of %s: %w", name, s.source.System, err)
	case a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable:
		if !named {
			until = s.now().Add(time.Second)
		}
		return true, connector.Page{Cursor: cursor, RetryAfter: until}, nil
	case a.Status != http.StatusOK:
		return true, connector.Page{}, fmt.Errorf("poll %s of %s: it answered %s", name, s.source.System, a.Words())
	}
	return false, connector.Page{}, nil
}

// placeOf reads a cursor; the first question of all begins start ago.
func (s *system) placeOf(p *poll, cursor string) (place, error) {
	var at place
	if cursor == "" {
		if p.Since != nil {
			at.Since = s.now().Add(-p.Since.Start).UTC()
		}
		return at, nil
	}
	if err := json.Unmarshal([]byte(cursor), &at); err != nil {
		return at, fmt.Errorf("the cursor %.60q is none of this connector's: %w", cursor, err)
	}
	return at, nil
}

// address is the path of the page at a place.
func (p *poll) address(at place) (string, error) {
	if p.Pages == pagesLink && at.Token != "" {
		return at.Token, nil
	}
	return p.path.address(func(word string) (string, error) {
		switch word {
		case "page":
			return strconv.Itoa(p.First + at.Page), nil
		case "offset":
			return strconv.Itoa(at.Count), nil
		case "cursor":
			return at.Token, nil
		}
		since := at.Since.Add(-p.Since.Overlap).UTC()
		switch p.Since.Form {
		case "unix":
			return strconv.FormatInt(since.Unix(), 10), nil
		case "unix_ms":
			return strconv.FormatInt(since.UnixMilli(), 10), nil
		case "date":
			return since.Format(time.DateOnly), nil
		}
		return since.Format(time.RFC3339), nil
	})
}

// page reads the items of an answer and finds the place behind it.
func (s *system) page(p *poll, name string, at place, a connector.Answer) (connector.Page, error) {
	v, isJSON := view(a)
	if !isJSON {
		return connector.Page{}, errors.New("the page is no JSON")
	}
	items, err := p.items.Run(nil, v, nil)
	if err != nil {
		return connector.Page{}, err
	}
	if len(items) > pageItemsMax {
		return connector.Page{}, fmt.Errorf("the page holds %d items, more than %d; ask for fewer at once", len(items), pageItemsMax)
	}
	page := connector.Page{}
	for i, item := range items {
		m, changed, err := p.message(name, item)
		if err != nil {
			return connector.Page{}, fmt.Errorf("item %d: %w", i, err)
		}
		if changed.After(at.Seen) {
			at.Seen = changed
		}
		page.Messages = append(page.Messages, m)
	}
	at.Page++
	at.Count += len(items)
	if page.More, err = p.goOn(&at, s.base, v, a, len(items)); err != nil {
		return connector.Page{}, err
	}
	if at.Page >= pagesMax {
		return connector.Page{}, fmt.Errorf("there is no end after %d pages", pagesMax)
	}
	if !page.More {
		at.close(p)
	}
	cursor, err := json.Marshal(at)
	page.Cursor = string(cursor)
	return page, err
}

// message makes a message of one item.
func (p *poll) message(name string, item any) (connector.Polled, time.Time, error) {
	id, err := idText(p.id, item)
	if err != nil {
		return connector.Polled{}, time.Time{}, err
	}
	body, err := mapping.Encode(item)
	if err != nil {
		return connector.Polled{}, time.Time{}, err
	}
	m := connector.Polled{ID: shortID(pollTopic + name + "/" + id), Topic: pollTopic + name, Body: body}
	if p.at == nil {
		return m, time.Time{}, nil
	}
	v, err := p.at.One(nil, item, nil)
	if err != nil {
		return m, time.Time{}, err
	}
	changed, err := changedAt(v, p.Since.Form)
	return m, changed, err
}

// changedAt reads an item's time of change: RFC 3339, or a number as the form
// has it.
func changedAt(v any, form string) (time.Time, error) {
	switch v := v.(type) {
	case int:
		if form == "unix_ms" {
			return time.UnixMilli(int64(v)).UTC(), nil
		}
		return time.Unix(int64(v), 0).UTC(), nil
	case string:
		if t, err := fact.ParseTime(v); err == nil {
			return t.UTC(), nil
		}
		if t, err := time.Parse(time.DateOnly, v); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("since.at gives %.60v, which is no time", v)
}

// goOn finds whether and where there is a further page.
func (p *poll) goOn(at *place, base string, v map[string]any, a connector.Answer, items int) (bool, error) {
	switch p.Pages {
	case pagesNumber, pagesOffset:
		return items > 0, nil
	case pagesCursor, pagesFeed:
		next, err := p.next.One(nil, v, nil)
		if err != nil || next == nil {
			return false, err
		}
		token, err := member(map[string]any{"next": next}, "next")
		if err != nil {
			return false, err
		}
		if token == "" || token == at.Token {
			return false, nil
		}
		at.Token = token
		return p.Pages == pagesCursor || items > 0, nil
	case pagesLink:
		link, err := nextLink(a.Header, base)
		at.Token = link
		return link != "", err
	}
	return false, nil
}

// close ends a reading: the next one begins at its start, from the latest
// change on.
func (at *place) close(p *poll) {
	if at.Seen.After(at.Since) {
		at.Since = at.Seen
	}
	at.Seen, at.Page, at.Count = time.Time{}, 0, 0
	if p.Pages != pagesFeed {
		at.Token = ""
	}
}

// nextLink reads rel="next" of the Link header (RFC 8288) as a path behind
// base. An address elsewhere is an error: the credential goes to base alone.
func nextLink(h http.Header, base string) (string, error) {
	for _, value := range h.Values("Link") {
		for one := range strings.SplitSeq(value, ",") {
			target, parameters, ok := strings.Cut(one, ">")
			target = strings.TrimSpace(target)
			if !ok || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ReplaceAll(parameters, `"`, ""), "rel=next") {
				continue
			}
			home, err := url.Parse(base + "/")
			if err != nil {
				return "", err
			}
			next, err := home.Parse(target[1:])
			if err != nil {
				return "", fmt.Errorf("the link to the next page is no address: %w", err)
			}
			path, behind := strings.CutPrefix(next.String(), base)
			if !behind || path == "" || path[0] != '/' {
				return "", errors.New("the link to the next page leads away from the system's base URL")
			}
			return path, nil
		}
	}
	return "", nil
}
