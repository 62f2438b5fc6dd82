package fact

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// withOrder writes a channel's data with the order's installation-wide name,
// and its own number as channel_order. All other bytes stay as they are.
func withOrder(data []byte, order, own string) (jsontext.Value, error) {
	start, end, ok := member(data, "order")
	if !ok {
		return nil, fmt.Errorf("data has no member order to replace")
	}
	quotedOrder, err := jsontext.AppendQuote(nil, order)
	if err != nil {
		return nil, err
	}
	quotedOwn, err := jsontext.AppendQuote(nil, own)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(data)+len(quotedOrder)+len(quotedOwn)+20)
	if ownStart, ownEnd, sent := member(data, "channel_order"); sent {
		// The sender's own word for it gives way, or the name would be there twice.
		first, second := span{start, end, quotedOrder}, span{ownStart, ownEnd, quotedOwn}
		if second.start < first.start {
			first, second = second, first
		}
		out = append(append(out, data[:first.start]...), first.with...)
		out = append(append(out, data[first.end:second.start]...), second.with...)
		return append(out, data[second.end:]...), nil
	}
	out = append(append(out, data[:start]...), quotedOrder...)
	out = append(append(out, `,"channel_order":`...), quotedOwn...)
	return append(out, data[end:]...), nil
}

// span is a stretch of bytes and what takes its place.
type span struct {
	start, end int
	with       []byte
}

// member finds the value of a member of a JSON object, as a stretch of its
// bytes. The object is known to be valid; only strings and brackets matter.
func member(object []byte, name string) (start, end int, ok bool) {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return 0, 0, false
	}
	i = skipSpace(object, i+1)
	for i < len(object) && object[i] == '"' {
		nameEnd := skipValue(object, i)
		found := sameName(object[i:nameEnd], name)
		i = skipSpace(object, nameEnd)
		i = skipSpace(object, i+1) // the colon
		end = skipValue(object, i)
		if found {
			return i, end, end <= len(object)
		}
		i = skipSpace(object, end)
		if i < len(object) && object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
	return 0, 0, false
}

func sameName(quoted []byte, name string) bool {
	if len(quoted) < 2 {
		return false
	}
	if plain := string(quoted[1 : len(quoted)-1]); plain == name {
		return true
	}
	for _, c := range quoted {
		if c == '\\' {
			unquoted, err := jsontext.AppendUnquote(nil, quoted)
			return err == nil && string(unquoted) == name
		}
	}
	return false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of the object around a number, true, false or null
			}
			depth--
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		i++
		if depth == 0 {
			return min(i, len(b))
		}
	}
	return min(i, len(b))
}
