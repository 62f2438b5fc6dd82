package main

import (
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/trace"
)

// storyEntry is an entry of the timeline as JSON.
type storyEntry struct {
	Seq      int       `json:"seq"`
	At       time.Time `json:"at"`
	Clock    string    `json:"clock"`
	Kind     string    `json:"kind"`
	System   string    `json:"system,omitzero"`
	Type     string    `json:"type,omitzero"`
	Title    string    `json:"title"`
	Detail   string    `json:"detail,omitzero"`
	State    string    `json:"state,omitzero"`
	Event    string    `json:"event,omitzero"`
	Message  string    `json:"message,omitzero"`
	Key      string    `json:"key,omitzero"`
	Attempts int       `json:"attempts,omitzero"`
}

// story is an order with its timeline as JSON.
type story struct {
	process.View
	Timeline []storyEntry `json:"timeline"`
}

func printStory(out io.Writer, o *trace.Order, entries []trace.Entry) error {
	s := story{View: o.View, Timeline: make([]storyEntry, 0, len(entries))}
	for _, e := range entries {
		x := storyEntry{Seq: e.Seq, At: e.At, Clock: e.Clock, Kind: string(e.Kind), System: e.System, Type: e.Type,
			Title: e.Title, Detail: e.Detail, State: e.State, Key: e.Key, Attempts: e.Attempts}
		if e.Event != 0 {
			x.Event = fmt.Sprintf("evt_%d", e.Event)
		}
		if e.Message != 0 {
			x.Message = fmt.Sprintf("msg_%d", e.Message)
		}
		s.Timeline = append(s.Timeline, x)
	}
	data, err := waybill.Marshal(s)
	if err != nil {
		return err
	}
	v := jsontext.Value(data)
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(v))
	return err
}
