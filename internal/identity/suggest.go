package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Suggestion is an id that an unmapped reference may mean.
type Suggestion struct {
	Canonical string `json:"canonical"`
	Why       string `json:"why"`
	rank      int    // lower is better
}

// The ranks of suggestions, best first.
const (
	rankSameGTIN = iota
	rankSameText
	rankOtherSystem
	rankAlike
	rankNear // and more for each letter that differs
)

const (
	suggestionsMax = 5
	editsMax       = 2
)

// Suggest lists what a reference may mean, the best first: what the same GTIN
// already is, the id that is written the same but for case, spaces and signs,
// what another system's same number means, and ids that differ in a letter or
// two. known are ids that exist; sameGTIN are items known to have the
// reference's value, or its line's, as their GTIN.
func (b *Book) Suggest(r Reference, known, sameGTIN []string) []Suggestion {
	best := map[string]Suggestion{}
	offer := func(id string, rank int, why string) {
		if old, there := best[id]; !there || rank < old.rank {
			best[id] = Suggestion{Canonical: id, Why: why, rank: rank}
		}
	}
	for _, id := range sameGTIN {
		offer(id, rankSameGTIN, "it has the same GTIN")
	}
	entity, plain := r.Kind.Entity(), plainText(r.Value)
	for at, list := range b.by { // in any order: the best offer of each id counts, and all are sorted
		for _, m := range list {
			if at.Kind.Entity() != entity || at.System == r.System && at.Scope == r.Scope && at.Value == r.Value {
				continue
			}
			switch {
			case at.Value == r.Value && at.Kind == GTIN && r.Kind == GTIN:
				offer(m.Canonical, rankSameGTIN, "it has the same GTIN")
			case at.Value == r.Value:
				offer(m.Canonical, rankOtherSystem, "it is what "+orAny(at.System)+" calls the same")
			case plainText(at.Value) == plain:
				offer(m.Canonical, rankAlike, fmt.Sprintf("%s calls it %s", orAny(at.System), at.Value))
			}
		}
	}
	for _, id := range known {
		other := plainText(id)
		switch {
		case other == plain && plain != "":
			offer(id, rankSameText, "it is written the same but for case and signs")
		case len(plain) > 2*editsMax:
			if n := edits(plain, other, editsMax); n <= editsMax {
				offer(id, rankNear+n, fmt.Sprintf("%d of its characters differ", n))
			}
		}
	}
	out := make([]Suggestion, 0, len(best))
	for _, s := range best {
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y Suggestion) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), strings.Compare(x.Canonical, y.Canonical))
	})
	return out[:min(len(out), suggestionsMax)]
}

func orAny(system string) string {
	if system == "" {
		return "every system"
	}
	return system
}

// plainText is a text without case, signs, spaces and zeros at its beginning.
func plainText(s string) string {
	var out strings.Builder
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out.WriteRune(unicode.ToUpper(r))
		}
	}
	return strings.TrimLeft(out.String(), "0")
}

// edits is the number of letters to put in, take out or replace to make one text
// the other; above most it is most + 1.
func edits(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > most || -d > most {
		return most + 1
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		corner, least := row[0], i+1
		row[0] = i + 1
		for j := range y {
			same := corner
			if x[i] != y[j] {
				same++
			}
			corner = row[j+1]
			row[j+1] = min(same, corner+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return most + 1
		}
	}
	return min(row[len(y)], most+1)
}
