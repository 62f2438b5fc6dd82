package tower

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unmapped is something that a system names and that nobody has mapped.
type Unmapped struct {
	Key         string // the reference as one text, for the form
	Kind        string // item, customer, carrier, ...
	System      string
	Value       string // as the system writes it
	Detail      string // "item B-100 of shop (line 2) is not mapped"
	Waiting     int    // orders, and facts of no order
	Orders      []string
	Money       []string // held up, one for each currency
	Since       time.Time
	Packs       bool // it may have a multiplier
	Suggestions []Suggestion
}

// Suggestion is what it may mean, and why.
type Suggestion struct{ Canonical, Why string }

// Meaning is what a person says that a reference means.
type Meaning struct {
	Actor      string
	Key        string // Unmapped.Key
	Canonical  string
	Multiplier string // exact decimal; empty: one
	Unit       string
	Reason     string
}

type mappingView struct {
	Unmapped []Unmapped
	Now      time.Time
	Released string // by the mapping just made
	Path     string
}

// mapping is the page of what waits for a mapping.
func (t *tower) mapping(ctx context.Context, q url.Values) (view, error) {
	list, err := t.src.Unmapped(ctx)
	if err != nil {
		return view{}, fmt.Errorf("list what waits for a mapping: %w", err)
	}
	v := mappingView{Unmapped: list, Now: t.now(), Path: "/mapping"}
	if n, err := strconv.Atoi(q.Get("released")); err == nil && n >= 0 {
		v.Released = plural(n, "order or fact goes on", "orders and facts go on")
	}
	return view{Title: "Mapping", Nav: "mapping", page: "mapping", Body: v,
		parts: []part{{id: "mapping-head", tmpl: "mapping-head", data: v}}}, nil
}

// mapReference takes the form of the page.
func (t *tower) mapReference(w http.ResponseWriter, r *http.Request, actor string) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		t.fail(w, r, fmt.Errorf("%w: the form could not be read: %w", errBadRequest, err))
		return
	}
	field := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	m := Meaning{Actor: actor, Key: r.PostForm.Get("key"), Canonical: field("canonical"), Multiplier: field("multiplier"),
		Unit: field("unit"), Reason: field("reason")}
	if slices.Contains([]string{m.Key, m.Canonical}, "") {
		t.fail(w, r, fmt.Errorf("%w: say what the reference means", errBadRequest))
		return
	}
	n, err := t.src.Map(r.Context(), m)
	if err != nil {
		t.fail(w, r, fmt.Errorf("map %s: %w", m.Key, err))
		return
	}
	http.Redirect(w, r, "/mapping?released="+strconv.Itoa(n), http.StatusSeeOther)
}
