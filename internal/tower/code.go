package tower

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

const (
	codeLinesMax = 400      // lines of a payload on a page; the rest is a download away
	codeBytesMax = 64 << 10 // bytes of a payload that are laid out
)

// code is a payload laid out for reading.
type code struct {
	Lines    []codeLine
	Note     string // what was done to it for reading; empty: nothing
	Language string // JSON, text or bytes
}

// codeLine is one line in coloured pieces.
type codeLine struct {
	Spans []codeSpan
	Mark  string // chg: a value that the other side does not have
}

// codeSpan is a piece: k a name, s a text, n a number or a word, empty the rest.
type codeSpan struct{ Class, Text string }

// layRaw shows bytes as they came. JSON on one line is broken into lines, since
// only white space changes; what is no text is shown as hexadecimal.
func layRaw(raw []byte) code {
	switch {
	case len(raw) == 0:
		return code{Language: "text", Note: "empty"}
	case json.Valid(raw):
		c := code{Language: "JSON"}
		body := raw
		if bytes.Count(bytes.TrimSpace(raw), []byte("\n")) == 0 && len(raw) > 60 {
			var b bytes.Buffer
			if json.Indent(&b, raw, "", "  ") == nil {
				body, c.Note = b.Bytes(), "broken into lines for reading"
			}
		}
		c.setLines(body)
		return c
	case utf8.Valid(raw):
		c := code{Language: "text"}
		body := raw
		if isX12(raw) {
			sep := raw[105]
			body = bytes.ReplaceAll(raw, []byte{sep, '\n'}, []byte{sep})
			body = bytes.ReplaceAll(body, []byte{sep}, []byte{sep, '\n'})
			c.Note = "one segment a line for reading"
		}
		c.setLines(body)
		return c
	default:
		c := code{Language: "bytes", Note: "hexadecimal"}
		c.setLines([]byte(hex.Dump(raw[:min(len(raw), 4096)])))
		return c
	}
}

// isX12 recognises an interchange by its fixed first segment of 106 bytes.
func isX12(raw []byte) bool { return len(raw) > 106 && bytes.HasPrefix(raw, []byte("ISA")) }

func layJSON(text string) code {
	c := code{Language: "JSON"}
	c.setLines([]byte(text))
	return c
}

func (c *code) setLines(body []byte) {
	if len(body) > codeBytesMax {
		body = body[:codeBytesMax]
		c.Note = "only the beginning is shown"
	}
	lines := strings.Split(strings.TrimRight(string(body), "\n"), "\n")
	if len(lines) > codeLinesMax {
		lines = lines[:codeLinesMax]
		c.Note = "only the beginning is shown"
	}
	for _, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if c.Language == "JSON" {
			c.Lines = append(c.Lines, codeLine{Spans: colourJSON(line)})
		} else {
			c.Lines = append(c.Lines, codeLine{Spans: []codeSpan{{Text: line}}})
		}
	}
}

// colourJSON cuts a line of JSON into names, texts, numbers and the rest. A
// string that is broken off at the line's end is kept as a text.
func colourJSON(line string) (out []codeSpan) {
	plain := 0
	flush := func(to int) {
		if to > plain {
			out = append(out, codeSpan{Text: line[plain:to]})
		}
	}
	for i := 0; i < len(line); {
		end, class := i+1, ""
		switch ch := line[i]; {
		case ch == '"':
			end, class = stringEnd(line, i), "s"
			if rest := strings.TrimLeft(line[end:], " "); strings.HasPrefix(rest, ":") {
				class = "k"
			}
		case ch == '-' || ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z':
			for end < len(line) && strings.IndexByte("+-.0123456789Eabcdefghijklmnopqrstuvwxyz", line[end]) >= 0 {
				end++
			}
			class = "n"
		}
		if class != "" {
			flush(i)
			out = append(out, codeSpan{class, line[i:end]})
			plain = end
		}
		i = end
	}
	flush(len(line))
	return out
}

func stringEnd(line string, start int) int {
	for i := start + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(line)
}

// markMade marks the lines whose value is nowhere in what they were made from,
// so that it is seen what the mapping did.
func markMade(made, from code) code {
	known := map[string]bool{}
	for _, line := range from.Lines {
		for _, s := range line.Spans {
			known[scalar(s)] = true
		}
	}
	for i, line := range made.Lines {
		for _, s := range line.Spans {
			if (s.Class == "s" || s.Class == "n") && !known[scalar(s)] {
				made.Lines[i].Mark = "chg"
			}
		}
	}
	return made
}

// scalar compares "5" and 5 as the same value.
func scalar(s codeSpan) string {
	if s.Class == "s" || s.Class == "n" {
		return strings.Trim(s.Text, `"`)
	}
	return ""
}
