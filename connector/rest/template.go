package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// template is text with places in it: "/orders/{order}/lines".
type template struct {
	text   string
	pieces []piece
}

// piece is plain text, or the word of a place.
type piece struct {
	text  string
	place bool
}

func parseTemplate(text string) (template, error) {
	t := template{text: text}
	rest := text
	for rest != "" {
		before, after, open := strings.Cut(rest, "{")
		if before != "" {
			t.pieces = append(t.pieces, piece{text: before})
		}
		if !open {
			break
		}
		word, behind, closed := strings.Cut(after, "}")
		if !closed || word == "" || strings.ContainsAny(word, "{ ") {
			return t, fmt.Errorf("%q: want places like {order}", text)
		}
		t.pieces = append(t.pieces, piece{text: word, place: true})
		rest = behind
	}
	return t, nil
}

// words lists the places.
func (t template) words() []string {
	var words []string
	for _, p := range t.pieces {
		if p.place && !slices.Contains(words, p.text) {
			words = append(words, p.text)
		}
	}
	return words
}

// sample fills every place with x, to see whether the rest makes sense.
func (t template) sample() string {
	var b strings.Builder
	for _, p := range t.pieces {
		if p.place {
			b.WriteByte('x')
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// fill puts values in the places.
func (t template) fill(value func(word string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.pieces {
		if !p.place {
			b.WriteString(p.text)
			continue
		}
		v, err := value(p.text)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

// address fills the places of a path: each value stays one element of it. A
// parameter of the query that is nothing but an empty place is left out.
func (t template) address(value func(word string) (string, error)) (string, error) {
	path, query, _ := strings.Cut(t.text, "?")
	filled, err := mustPart(path).fill(func(word string) (string, error) {
		v, err := value(word)
		if err != nil {
			return "", err
		}
		if v == "" || v == "." || v == ".." {
			return "", fmt.Errorf("{%s} is %q, which can't be an element of a path", word, v)
		}
		return url.PathEscape(v), nil
	})
	if err != nil || query == "" {
		return filled, err
	}
	var parameters []string
	for parameter := range strings.SplitSeq(query, "&") {
		empty := false
		text, err := mustPart(parameter).fill(func(word string) (string, error) {
			v, err := value(word)
			empty = empty || v == ""
			return url.QueryEscape(v), err
		})
		if err != nil {
			return "", err
		}
		if !empty {
			parameters = append(parameters, text)
		}
	}
	if len(parameters) == 0 {
		return filled, nil
	}
	return filled + "?" + strings.Join(parameters, "&"), nil
}

// mustPart reads a part of a template that was read as a whole before.
func mustPart(text string) template {
	t, err := parseTemplate(text)
	if err != nil {
		return template{text: text, pieces: []piece{{text: text}}}
	}
	return t
}

// member finds a place's value in a decoded JSON value: {data.warehouse_order},
// {lines.0.sku}. It has to be text or a number.
func member(v any, word string) (string, error) {
	at := v
	for step := range strings.SplitSeq(word, ".") {
		switch value := at.(type) {
		case map[string]any:
			at = value[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(value) {
				return "", missingPlace(word)
			}
			at = value[n]
		default:
			return "", missingPlace(word)
		}
	}
	switch value := at.(type) {
	case string:
		return value, nil
	case int:
		return strconv.Itoa(value), nil
	case json.Number:
		return string(value), nil
	}
	return "", missingPlace(word)
}

func missingPlace(word string) error {
	return errors.New("{" + word + "} is neither text nor a number in it")
}
