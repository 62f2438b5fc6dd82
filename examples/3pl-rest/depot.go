package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// depot is the warehouse with its books.
type depot struct {
	key, secret, hook string

	mu           sync.Mutex
	consignments map[string]*consignment // by the customer's request key
	documents    map[string]string       // request key → the depot's own id
	pushes       int
}

// position is a line; units is a number as it was written.
type position struct {
	Ref     string      `json:"ref"`
	Article string      `json:"article,omitempty"`
	Units   json.Number `json:"units"`
	Unit    string      `json:"unit,omitempty"`
}

type consignment struct {
	RequestKey string          `json:"requestKey"`
	ClientRef  string          `json:"clientRef"`
	Revision   int             `json:"revision"`
	DeliverTo  json.RawMessage `json:"deliverTo"`
	Positions  []position      `json:"positions"`
	dispatched bool
}

func newDepot(key, secret, hook string) *depot {
	return &depot{key: key, secret: secret, hook: hook, consignments: map[string]*consignment{}, documents: map[string]string{}}
}

func (d *depot) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/2/consignments", d.guard(d.take))
	mux.HandleFunc("PUT /api/2/consignments/{key}", d.guard(d.amend))
	mux.HandleFunc("POST /api/2/consignments/{key}/cancellations", d.guard(d.cancel))
	mux.HandleFunc("GET /api/2/documents", d.guard(d.lookUp))
	mux.HandleFunc("GET /api/2/movements", d.guard(func(*http.Request) any { return map[string]any{"movements": []any{}} }))
	mux.HandleFunc("GET /api/2/ping", d.guard(func(*http.Request) any { return ok(nil) }))
	mux.HandleFunc("POST /floor/dispatch/{order}", func(w http.ResponseWriter, r *http.Request) {
		if err := d.dispatch(r.PathValue("order")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

// guard asks for the API key, and answers 200 to whatever came of the request.
func (d *depot) guard(serve func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != d.key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		d.mu.Lock()
		answer := serve(r)
		d.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // a client that has left asks again
	}
}

func ok(document any) any { return map[string]any{"ok": true, "document": document} }

func refused(code, text, line string) any {
	return map[string]any{"ok": false, "errors": []any{map[string]string{"code": code, "text": text, "line": line}}}
}

// read reads a request's consignment; the numbers of its positions stay as
// they are written.
func read(r *http.Request) (*consignment, any) {
	var c consignment
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&c); err != nil || c.RequestKey == "" {
		return nil, refused("UNREADABLE", "want a consignment", "")
	}
	for _, p := range c.Positions {
		if strings.HasPrefix(p.Article, "D-GONE") {
			return nil, refused("ARTICLE_UNKNOWN", "no article "+p.Article, p.Ref)
		}
	}
	return &c, nil
}

// book gives a request key the depot's own number, the same one every time.
func (d *depot) book(key string) any {
	id, known := d.documents[key]
	if !known {
		id = "C-" + strconv.Itoa(4711+len(d.documents))
		d.documents[key] = id
	}
	return ok(map[string]string{"id": id, "requestKey": key})
}

func (d *depot) take(r *http.Request) any {
	c, no := read(r)
	if no != nil {
		return no
	}
	if d.consignments[c.RequestKey] == nil {
		d.consignments[c.RequestKey] = c
	}
	return d.book(c.RequestKey)
}

func (d *depot) amend(r *http.Request) any {
	change, no := read(r)
	if no != nil {
		return no
	}
	c := d.consignments[r.PathValue("key")]
	if c == nil || c.dispatched {
		return refused("TOO_LATE", "there is nothing left to amend", "")
	}
	c.Positions, c.Revision = change.Positions, change.Revision
	return d.book(change.RequestKey)
}

func (d *depot) cancel(r *http.Request) any {
	request, no := read(r)
	if no != nil {
		return no
	}
	c := d.consignments[r.PathValue("key")]
	if c == nil {
		return refused("UNKNOWN", "there is no such consignment", "")
	}
	event := "CANCELLED"
	if c.dispatched {
		event = "CANCEL_REFUSED"
	}
	c.dispatched = true // nothing leaves any more
	go func() {
		_ = d.push(map[string]any{"event": event, "when": time.Now().Format(time.RFC3339),
			"consignment": map[string]any{"clientRef": c.ClientRef, "requestKey": c.RequestKey}})
	}()
	return d.book(request.RequestKey)
}

func (d *depot) lookUp(r *http.Request) any {
	key := r.URL.Query().Get("requestKey")
	list := []any{}
	if id, known := d.documents[key]; known {
		list = append(list, map[string]string{"id": id, "requestKey": key})
	}
	return map[string]any{"ok": true, "documents": list, "asOf": time.Now().UTC().Format(time.RFC3339)}
}

// dispatch ships what is asked for of an order, in one parcel, and tells.
func (d *depot) dispatch(order string) error {
	d.mu.Lock()
	var events []map[string]any
	for _, c := range d.consignments {
		if c.ClientRef != order || c.dispatched {
			continue
		}
		c.dispatched = true
		shipped := make([]position, len(c.Positions))
		for i, p := range c.Positions {
			shipped[i] = position{Ref: p.Ref, Units: p.Units, Unit: p.Unit}
		}
		number := "D-" + strings.TrimPrefix(d.documents[c.RequestKey], "C-")
		events = append(events, map[string]any{"event": "DISPATCHED", "when": time.Now().Format(time.RFC3339),
			"consignment": map[string]any{"clientRef": order, "requestKey": c.RequestKey, "closed": true},
			"dispatch": map[string]any{"number": number, "rev": 1, "carrier": map[string]string{"scac": "UPSN", "product": "GROUND"},
				"parcels": []any{map[string]string{"trackingNo": "1Z" + number}}, "positions": shipped}})
	}
	d.mu.Unlock()
	if len(events) == 0 {
		return fmt.Errorf("nothing of %s is waiting", order)
	}
	for _, e := range events {
		if err := d.push(e); err != nil {
			return err
		}
	}
	return nil
}

// push sends an event, signed as the depot does: HMAC-SHA256 over time and
// body, in hex.
func (d *depot) push(event map[string]any) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.pushes++
	id := "push-" + strconv.Itoa(d.pushes)
	d.mu.Unlock()
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(d.secret))
	fmt.Fprintf(mac, "%s.%s", stamp, body)
	req, err := http.NewRequest(http.MethodPost, d.hook, bytes.NewReader(body)) //nolint:noctx // the client's own time-out ends it
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Depot-Delivery", id)
	req.Header.Set("X-Depot-Time", stamp)
	req.Header.Set("X-Depot-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("the push was answered %s: %s", resp.Status, text)
	}
	return nil
}
