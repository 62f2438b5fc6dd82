package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
	keyTTL      = 86400 // seconds
	journalMax  = 1000
)

// tooMany is the body of a 429.
var tooMany = []byte(`{"type":"about:blank","title":"Too Many Requests","status":429,"code":"rate_limited"}`)

// answer writes a response; header are names and values in turn.
func answer(w http.ResponseWriter, status int, body []byte, header ...string) {
	h := w.Header()
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// the client may be gone; what it missed it has to ask for
	_, _ = w.Write(body)
}

// refused writes problem+json.
func refused(w http.ResponseWriter, r *refusal) {
	answer(w, r.status, r.problem(), "Content-Type", problemType)
}

// dropper is a response that can end without an answer.
type dropper interface{ Drop() }

// drop cuts the connection without an answer.
func drop(w http.ResponseWriter) {
	if d, ok := w.(dropper); ok {
		d.Drop()
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		answer(w, http.StatusBadGateway, []byte("connection lost\n"), "Content-Type", "text/plain")
		return
	}
	_ = conn.Close()
}

// appendField writes "name":"value"; name needs no escapes.
func appendField(b []byte, name, value string) []byte {
	b = append(append(append(b, '"'), name...), `":`...)
	return appendText(b, value)
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// orEmpty gives {} for no JSON.
func orEmpty(s string) string {
	if s == "" {
		return "{}"
	}
	return s
}

// write answers T1.
func (o outcome) write(w http.ResponseWriter, t *target) {
	switch {
	case o.refusal != nil:
		refused(w, o.refusal)
	case o.status == http.StatusAccepted:
		answer(w, o.status, []byte(`{"state":"pending"}`), "Content-Type", jsonType)
	default:
		b := make([]byte, 0, 192+len(o.rec.result))
		b = append(b, '{')
		b = o.rec.appendReceipt(b)
		b = append(append(b, `,"applied_at":"`...), o.rec.at.UTC().Format(time.RFC3339Nano)...)
		b = append(b, '"')
		if o.rec.retried != "" {
			b = o.rec.appendStatuses(append(b, `,"lines":`...))
		}
		b = append(b, '}')
		status := o.status
		if o.replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		answer(w, status, b, "Content-Type", jsonType)
	}
}

// appendReceipt writes what T1 and T2 have in common.
func (rec *record) appendReceipt(b []byte) []byte {
	b = appendField(b, "ref", rec.ref)
	b = strconv.AppendInt(append(b, `,"n":`...), int64(rec.n), 10)
	b = appendField(append(b, ','), "generation", generation)
	return append(append(b, `,"result":`...), orEmpty(rec.result)...)
}

// appendStatuses writes the lines of a 207.
func (rec *record) appendStatuses(b []byte) []byte {
	b = append(b, '[')
	for _, l := range rec.lines {
		b = appendField(append(b, '{'), "line", l.line)
		b = append(b, `,"status":"applied",`...)
		b = append(appendField(b, "ref", rec.ref), "},"...)
	}
	b = appendField(append(b, '{'), "line", rec.retried)
	b = append(b, `,"status":"retry","problem":{"type":"about:blank","title":"Locked","status":423,"code":"line_locked","line":`...)
	return append(appendText(b, rec.retried), "}}]"...)
}

// getByKey is T2. The time it vouches for is taken before it looks: whatever
// it doesn't find and comes later is judged later, and refused behind its
// deadline.
func (t *target) getByKey(w http.ResponseWriter, r *http.Request) {
	asOf := t.w.cfg.Now()
	rec := t.find(r.PathValue("key"))
	if rec != nil {
		s := t.shardOf(rec.lane)
		s.mu.Lock()
		body := rec.appendFound(nil)
		s.mu.Unlock()
		if body != nil && t.class != classNone {
			answer(w, http.StatusOK, body, "Content-Type", jsonType)
			return
		}
	}
	b := []byte(`{"found":false`)
	if t.class != classNone {
		b = appendField(append(b, ','), "as_of", asOf.UTC().Format(time.RFC3339Nano))
		b = appendField(append(b, ','), "generation", generation)
	}
	answer(w, http.StatusNotFound, append(b, '}'), "Content-Type", jsonType)
}

// appendFound writes the answer of T2; nil where nothing was applied, taken
// or rejected.
func (rec *record) appendFound(b []byte) []byte {
	if rec.state == seen {
		return nil
	}
	b = appendField(append(b, `{"found":true,`...), "state", rec.state.String())
	b = appendField(append(b, ','), "key", rec.key)
	b = appendField(append(b, ','), "digest", contentDigest(rec.sum))
	b = strconv.AppendInt(append(b, `,"seq":`...), int64(rec.seq), 10)
	switch rec.state {
	case applied:
		b = rec.appendReceipt(append(b, ','))
		b = append(append(b, `,"applied_at":"`...), rec.at.UTC().Format(time.RFC3339Nano)...)
		b = append(b, '"')
	case rejected:
		b = append(append(b, `,"problem":`...), rec.refusal.problem()...)
	}
	b = append(b, `,"lines":`...)
	if rec.retried != "" {
		return append(rec.appendStatuses(b), '}')
	}
	return append(b, "[]}"...)
}

// getInfo is T3.
func (t *target) getInfo(w http.ResponseWriter, _ *http.Request) {
	_, head := t.entries(0, 0)
	b := appendField([]byte{'{'}, "system", t.name)
	b = appendField(append(b, ','), "generation", generation)
	b = strconv.AppendInt(append(b, `,"head":`...), int64(head), 10)
	b = appendField(append(b, ','), "now", t.w.cfg.Now().UTC().Format(time.RFC3339Nano))
	b = appendField(append(b, ','), "idempotency", t.class)
	b = strconv.AppendInt(append(b, `,"key_ttl_s":`...), keyTTL, 10)
	answer(w, http.StatusOK, append(b, `,"keeps_order":false}`...), "Content-Type", jsonType)
}

// getJournal is T4.
func (t *target) getJournal(w http.ResponseWriter, r *http.Request) {
	after, limit := 0, journalMax
	for name, into := range map[string]*int{"after": &after, "limit": &limit} {
		if s := r.URL.Query().Get(name); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 {
				refused(w, malformed(name+"_malformed", "%s=%q is no number from 0", name, s))
				return
			}
			*into = n
		}
	}
	list, head := t.entries(after, min(max(limit, 1), journalMax))
	b := appendField([]byte{'{'}, "generation", generation)
	b = strconv.AppendInt(append(b, `,"head":`...), int64(head), 10)
	b = append(b, `,"entries":[`...)
	for i, rec := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = rec.appendEntry(b)
	}
	answer(w, http.StatusOK, append(b, "]}"...), "Content-Type", jsonType)
}

// appendEntry writes a line of the journal.
func (rec *record) appendEntry(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"n":`...), int64(rec.n), 10)
	b = appendField(append(b, ','), "at", rec.at.UTC().Format(time.RFC3339Nano))
	b = appendField(append(b, ','), "key", rec.key)
	b = appendField(append(b, ','), "kind", rec.kind)
	b = appendField(append(b, ','), "order", rec.order)
	b = strconv.AppendInt(append(b, `,"seq":`...), int64(rec.seq), 10)
	b = appendField(append(b, ','), "digest", contentDigest(rec.sum))
	b = appendField(append(b, ','), "ref", rec.ref)
	b = append(b, `,"lines":[`...)
	for i, l := range rec.lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(append(b, '{'), "line", l.line)
		b = appendField(append(b, ','), "sku", l.sku)
		b = append(appendAmount(append(b, `,"qty":"`...), l.qty), '"')
		if l.uom != "" {
			b = appendField(append(b, ','), "uom", l.uom)
		}
		b = append(b, '}')
	}
	b = append(b, `],"data":{`...)
	comma := false
	for _, f := range [...][2]string{
		{"shipment", rec.about.shipment}, {"return", rec.about.returned}, {"warehouse_order", rec.about.warehouseOrder},
		{"document", rec.about.document}, {"compensates", rec.about.compensates}, {"supersedes", rec.about.supersedes},
	} {
		if f[1] == "" {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		b = appendField(b, f[0], f[1])
		comma = true
	}
	return append(b, "}}"...)
}

// getEntities is T6.
func (t *target) getEntities(w http.ResponseWriter, r *http.Request) {
	what := r.PathValue("what")
	if !t.behaviour.entities(w, r, what) {
		refused(w, &refusal{status: http.StatusNotFound, code: "no_such_entities", detail: t.name + " keeps no " + what})
	}
}
