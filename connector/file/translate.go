package file

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// Translate reads the rows of a message. A message of a file holds those of
// one event; a whole file, given by hand, as many as it has.
func (s *system) Translate(m connector.Message) ([]waybill.Event, error) {
	f, err := s.feedOf(m.Topic)
	if err != nil {
		return nil, err
	}
	t, err := openTable(&f.format, bytes.NewReader(m.Body), 1)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(m.Header.Get("Waybill-File-Line")); err == nil {
		t.line = n // where the rows begin in the file that they came in
	}
	x := &translating{feed: f, table: t, source: s.source, zone: s.zone, received: m.ReceivedAt.UTC().Truncate(time.Microsecond)}
	y := newTally(f.totals)
	for {
		r, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if y.isTrailer(r) {
			continue
		}
		if err := x.add(r); err != nil {
			return nil, err
		}
	}
	if err := x.end(); err != nil {
		return nil, err
	}
	return x.events, nil
}

// feedOf finds the feed that a message is of.
func (s *system) feedOf(topic string) (*feed, error) {
	if f := s.feeds[topic]; f != nil {
		return f, nil
	}
	if topic == "" && len(s.feeds) == 1 {
		for _, f := range s.feeds {
			return f, nil
		}
	}
	return nil, &connector.Untranslatable{Field: "topic", Reason: "no feed of the spec is called " + strconv.Quote(topic)}
}

// translating gathers the rows of an event and makes it.
type translating struct {
	*feed
	table    *table
	source   fact.Source
	zone     *time.Location
	received time.Time

	key    string
	rows   []*row
	events []waybill.Event
}

func (x *translating) add(r *row) error {
	key, err := x.feed.key(x.table, r)
	if err != nil {
		return err
	}
	if len(x.rows) > 0 && (key != x.key || len(x.group) == 0) {
		if err := x.end(); err != nil {
			return err
		}
	}
	x.key, x.rows = key, append(x.rows, r)
	return nil
}

// end makes the event of the rows gathered so far.
func (x *translating) end() error {
	if len(x.rows) == 0 {
		return nil
	}
	rows := x.rows
	x.rows = nil
	if err := x.agree(x.fields, rows); err != nil {
		return err
	}
	data, err := x.data(rows)
	if err != nil {
		return err
	}
	at := x.received
	if x.at != nil {
		if at, err = x.time(rows[0]); err != nil {
			return err
		}
	}
	body, err := fact.DecodeBytes(data, x.event)
	if err != nil {
		return x.place(fact.Unreadable(err, ""), rows)
	}
	events, err := x.source.Events(fact.Fact{Type: x.event, At: at, Data: data, Body: body})
	if err != nil {
		return x.place(err, rows)
	}
	x.events = append(x.events, events...)
	return nil
}

// agree wants what is said once of an event to be the same in all its rows.
func (x *translating) agree(members []*member, rows []*row) error {
	for _, m := range members {
		if err := x.agree(m.members, rows); err != nil {
			return err
		}
		if m.source == nil || m.source.fixed != "" {
			continue
		}
		first, err := m.source.text(x.table, rows[0])
		if err != nil {
			return err
		}
		for _, r := range rows[1:] {
			words, err := m.source.text(x.table, r)
			if err != nil {
				return err
			}
			if !slices.Equal(words, first) {
				return wrongf(r.line, m.source.name(), "%.60q differs from %.60q in line %d of the same event; which is right?",
					strings.Join(words, " "), strings.Join(first, " "), rows[0].line)
			}
		}
	}
	return nil
}

func (s *source) name() string { return orElse(s.column, strings.Join(s.columns, ", ")) }

// data writes an event's data as JSON.
func (x *translating) data(rows []*row) (jsontext.Value, error) {
	b, err := x.object(nil, x.fields, rows[0])
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = []byte("{}")
	}
	if len(x.lines) == 0 {
		return b, nil
	}
	b = b[:len(b)-1]
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"lines":[`...)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		begin := len(b)
		if b, err = x.object(b, x.lines, r); err != nil {
			return nil, err
		}
		if len(b) == begin {
			b = append(b, "{}"...)
		}
	}
	return append(b, "]}"...), nil
}

// object appends members as an object; nothing where none has a value.
func (x *translating) object(b []byte, members []*member, r *row) ([]byte, error) {
	open := false
	for _, m := range members {
		before := len(b)
		if open {
			b = append(b, ',')
		} else {
			b = append(b, '{')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, m.name); err != nil {
			return nil, err
		}
		b = append(b, ':')
		value := len(b)
		if m.source != nil {
			b, err = m.source.appendJSON(b, x.table, r, x.zone)
		} else {
			b, err = x.object(b, m.members, r)
		}
		if err != nil {
			return nil, err
		}
		if len(b) == value {
			b = b[:before] // no value: no member
			continue
		}
		open = true
	}
	if open {
		b = append(b, '}')
	}
	return b, nil
}

// time reads the time of an event.
func (x *translating) time(r *row) (time.Time, error) {
	words, err := x.at.text(x.table, r)
	if err != nil || len(words) == 0 || words[0] == "" {
		return x.received, err
	}
	at, err := x.at.layout.parse(words[0], x.zone)
	if err != nil {
		return at, wrongf(r.line, x.at.name(), "%v", err)
	}
	return at, nil
}

// place turns a pointer into an event's data into the line and column that the
// value came from.
func (x *translating) place(err error, rows []*row) error {
	var u *connector.Untranslatable
	if !errors.As(err, &u) {
		return err
	}
	members, r := x.fields, rows[0]
	steps := strings.Split(strings.TrimPrefix(u.Field, "/"), "/")
	if len(steps) >= 2 && steps[0] == "lines" {
		if n, err := strconv.Atoi(steps[1]); err == nil && n < len(rows) {
			members, r, steps = x.lines, rows[n], steps[2:]
		}
	}
	column := strings.Join(steps, ".")
	for _, step := range steps {
		for _, m := range members {
			if m.name == step {
				members = m.members
				if m.source != nil && m.source.fixed == "" {
					column = m.source.name() + " (" + step + ")"
				}
				break
			}
		}
	}
	return wrongf(r.line, column, "%s", u.Reason)
}
