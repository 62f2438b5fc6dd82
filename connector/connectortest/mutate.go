package connectortest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what is tried on one fixture.
const (
	truncationsMax = 60
	flipsMax       = 80
	valuesMax      = 30
	heavyMax       = 3
)

// values are put in the place of every value of a JSON body.
var values = [][]byte{
	[]byte(`null`), []byte(`true`), []byte(`0`), []byte(`-1`), []byte(`1.5`), []byte(`1e999`), []byte(`9223372036854775808`),
	[]byte(strings.Repeat("9", 400)), []byte(`""`), []byte(`"x"`), []byte(`"~~item~X"`), []byte(`"\u0000\ud83d\ude00"`),
	[]byte(`"` + strings.Repeat("a", 5000) + `"`), []byte("\"\xff\xfe\""), []byte(`[]`), []byte(`{}`), []byte(`[{}]`), []byte(`[null]`),
	[]byte(`{"order":{}}`),
}

// heavy values are put in the place of a few.
var heavy = [][]byte{
	[]byte(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)),
	[]byte(strings.Repeat(`{"a":`, 12000) + `1` + strings.Repeat("}", 12000)),
}

// mutate calls try with broken variants of a body: cut short, with bytes
// changed, with values of other types, sizes and depths. The same body gives
// the same variants.
func mutate(body []byte, try func(what string, body []byte)) {
	chance := rand.New(rand.NewPCG(1, uint64(len(body)))) //nolint:gosec // repeatable on purpose
	for _, at := range sample(chance, len(body), truncationsMax) {
		try(fmt.Sprintf("its end cut off at byte %d", at), bytes.Clone(body[:at]))
	}
	for _, at := range sample(chance, len(body), flipsMax) {
		b := bytes.Clone(body)
		b[at] ^= byte(1 + chance.IntN(255))
		try(fmt.Sprintf("another byte at %d", at), b)
	}
	spans := spansOf(body)
	for n, i := range sample(chance, len(spans), valuesMax) {
		start, end := spans[i][0], spans[i][1]
		tried := values
		if n < heavyMax {
			tried = slices.Concat(values, heavy)
		}
		for _, v := range tried {
			b := append(append(bytes.Clone(body[:start]), v...), body[end:]...)
			try(fmt.Sprintf("%.20q in place of %.40q", v, body[start:end]), b)
		}
	}
	try("nothing in it", nil)
	try("something after it", append(bytes.Clone(body), "{}"...))
}

// sample draws at most most distinct numbers below n, all of them where n is
// small.
func sample(chance *rand.Rand, n, most int) []int {
	numbers := chance.Perm(n)
	return numbers[:min(n, most)]
}

// spansOf lists where the values of a JSON text begin and end, names of
// members left out; none where it is not JSON.
func spansOf(text []byte) [][2]int {
	if !jsontext.Value(text).IsValid() {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(text)))
	var spans, open [][2]int
	for {
		kind, length := dec.StackIndex(dec.StackDepth())
		token, err := dec.ReadToken()
		if err != nil {
			return spans
		}
		end := int(dec.InputOffset())
		switch k := token.Kind(); {
		case k == '{' || k == '[':
			open = append(open, [2]int{end - 1, 0})
		case k == '}' || k == ']':
			last := open[len(open)-1]
			open = open[:len(open)-1]
			spans = append(spans, [2]int{last[0], end})
		case kind == '{' && length%2 == 0: // a member's name
		default:
			start := end - len(raw(text, end, k))
			spans = append(spans, [2]int{start, end})
		}
	}
}

// raw is the scalar that ends at end.
func raw(text []byte, end int, k jsontext.Kind) []byte {
	start := end - 1
	if k == '"' {
		for start--; start > 0; start-- {
			if text[start] == '"' && escapes(text[:start])%2 == 0 {
				break
			}
		}
		return text[start:end]
	}
	for start > 0 && !strings.ContainsRune(" \t\r\n:,[", rune(text[start-1])) {
		start--
	}
	return text[start:end]
}

// escapes counts the backslashes at the end of a text.
func escapes(text []byte) int {
	return len(text) - len(bytes.TrimRight(text, `\`))
}
