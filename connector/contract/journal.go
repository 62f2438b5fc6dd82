package contract

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// pageEntriesMax is the most that T4 gives at once.
const pageEntriesMax = 1000

type journalBody struct {
	Generation string      `json:"generation"`
	Head       int64       `json:"head"`
	Entries    []entryBody `json:"entries"`
}

type entryBody struct {
	N      int64          `json:"n"`
	At     jsontext.Value `json:"at"`
	Key    string         `json:"key"` // null: entered by hand
	Kind   waybill.Kind   `json:"kind"`
	Order  string         `json:"order"`
	Seq    int64          `json:"seq"`
	Digest string         `json:"digest"`
	Ref    string         `json:"ref"`
	Lines  jsontext.Value `json:"lines"`
	Data   jsontext.Value `json:"data"`
}

// Entries reads one page of T4: entries above after, in order, at most limit
// of them and never more than the contract's 1000. All entries of a page have
// its generation.
func (s *system) Entries(ctx context.Context, after int64, limit int) ([]connector.Entry, int64, error) {
	limit = min(max(limit, 1), pageEntriesMax)
	path := "/v1/journal?after=" + strconv.FormatInt(after, 10) + "&limit=" + strconv.Itoa(limit)
	r, err := s.answered(ctx, path, pageBytesMax)
	if err != nil {
		return nil, 0, fmt.Errorf("journal of system %s after %d: %w", s.source.System, after, err)
	}
	var page journalBody
	if err := readObject(r.body, &page); err != nil {
		return nil, 0, fmt.Errorf("journal of system %s after %d: the page is unreadable: %w", s.source.System, after, err)
	}
	if len(page.Entries) > limit {
		return nil, 0, fmt.Errorf("journal of system %s after %d: %d entries where %d were asked for", s.source.System, after, len(page.Entries), limit)
	}
	entries := make([]connector.Entry, 0, len(page.Entries))
	last := after
	for i := range page.Entries {
		b := &page.Entries[i]
		// An entry out of its place would be counted twice or never.
		if b.N <= last {
			return nil, 0, fmt.Errorf("journal of system %s: entry %d follows %d; a journal is read in ascending order", s.source.System, b.N, last)
		}
		last = b.N
		e := connector.Entry{N: b.N, At: timeOf(b.At), Key: b.Key, Kind: b.Kind, Order: b.Order, Seq: b.Seq,
			Digest: b.Digest, Ref: b.Ref, Data: b.Data, Generation: page.Generation}
		if len(b.Lines) > 0 && b.Lines.Kind() != 'n' {
			if err := json.Unmarshal(b.Lines, &e.Lines); err != nil {
				return nil, 0, fmt.Errorf("journal of system %s: lines of entry %d: %w", s.source.System, b.N, err)
			}
		}
		entries = append(entries, e)
	}
	return entries, page.Head, nil
}
