package file

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/waybillhq/waybill/connector"
)

// groupsMax bounds how many events one file can hold: their identities are in
// memory, 24 bytes each, to find rows of one order in two places.
const groupsMax = 1 << 20

// Files implements [connector.Collector].
func (s *system) Files() connector.Files { return s.files }

// Drops implements [connector.Collector].
func (s *system) Drops() []connector.Drop {
	var out []connector.Drop
	for _, name := range slices.Sorted(maps.Keys(s.feeds)) {
		out = append(out, s.feeds[name].drop)
	}
	return out
}

// Read implements [connector.Collector]. A message is the header, where there
// is one, and the rows of one event, byte for byte. Rows of one event stand
// together; control totals are compared at the end.
func (s *system) Read(in connector.DroppedFile, each func(connector.Part) error) error {
	f := s.feeds[in.Drop]
	if f == nil {
		return &connector.Untranslatable{Reason: "no feed of the spec is called " + in.Drop}
	}
	c := &collecting{feed: f, tally: newTally(f.totals), each: each}
	t, err := openTable(&f.format, in.Content, 1)
	if err != nil {
		return err
	}
	c.table = t
	for err == nil {
		err = c.row()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if err := c.hand(); err != nil {
		return err
	}
	if err := c.twice(); err != nil {
		return err
	}
	return c.tally.compare(&f.format, in.Companion)
}

// collecting reads one file.
type collecting struct {
	*feed
	table *table
	tally *tally
	each  func(connector.Part) error

	key   string // of the group being gathered
	body  []byte
	line  int
	seen  []identity
	ended bool // the trailer was read
}

// identity is a group's key, short, and where it began.
type identity struct {
	sum  [16]byte
	line int64
}

// row reads the next row into its group.
func (c *collecting) row() error {
	r, err := c.table.next()
	if err != nil {
		return err
	}
	if c.ended {
		return wrongf(r.line, "", "a row follows the control totals; have the totals written last")
	}
	if c.tally.isTrailer(r) {
		c.ended, c.tally.said, c.tally.saidIn = true, r, c.table
		return nil
	}
	if err := c.tally.add(c.table, r); err != nil {
		return err
	}
	key, err := c.feed.key(c.table, r)
	if err != nil {
		return err
	}
	if c.body == nil || key != c.key || len(c.group) == 0 {
		if err := c.hand(); err != nil {
			return err
		}
		c.tally.groups++
		c.key, c.line, c.body = key, r.start, append(bytes.Clone(c.table.head), r.raw...)
		return c.remember(key, r)
	}
	if len(c.body)+len(r.raw) > messageMax {
		return wrongf(r.line, "", "the rows of one event, from line %d on, are more than %d bytes", c.line, messageMax)
	}
	c.body = append(c.body, r.raw...)
	return nil
}

// messageMax bounds the rows of one event. The installation's own limit of a
// message is checked by who takes the file.
const messageMax = 64 << 20

// key is what rows of one event have in common.
func (f *feed) key(t *table, r *row) (string, error) {
	parts := make([]string, len(f.group))
	for i, name := range f.group {
		v, err := t.cell(r, name)
		if err != nil {
			return "", err
		}
		if v == "" && i == 0 {
			return "", wrongf(r.line, name, "is empty, and it says which event the row belongs to")
		}
		parts[i] = v
	}
	return strings.Join(parts, "\x00"), nil
}

// hand hands out the group that is complete.
func (c *collecting) hand() error {
	if c.body == nil {
		return nil
	}
	part := connector.Part{Topic: c.drop.Name, Line: c.line, Body: c.body}
	c.body = nil
	return c.each(part)
}

// remember keeps that a group was there.
func (c *collecting) remember(key string, r *row) error {
	if len(c.group) == 0 {
		return nil
	}
	if len(c.seen) == groupsMax {
		return wrongf(r.line, "", "the file holds more than %d events; have it sent in parts", groupsMax)
	}
	sum := sha256.Sum256([]byte(key))
	c.seen = append(c.seen, identity{[16]byte(sum[:16]), int64(r.line)})
	return nil
}

// twice finds a group whose rows stand in two places: each place would be
// taken for the whole of it.
func (c *collecting) twice() error {
	slices.SortFunc(c.seen, func(a, b identity) int { return cmp.Or(bytes.Compare(a.sum[:], b.sum[:]), cmp.Compare(a.line, b.line)) })
	for i := 1; i < len(c.seen); i++ {
		if a, b := c.seen[i-1], c.seen[i]; a.sum == b.sum {
			return wrongf(int(b.line), strings.Join(c.group, ", "), "rows of one event stand here and from line %d on; have the file sorted by it", a.line)
		}
	}
	return nil
}
