package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// book is what a system holds: its documents in the order in which it applied
// them.
type book struct {
	name, token string
	generation  string // of this book: another one after a restart (T3)

	mu      sync.Mutex // held from the check of a key to its entry
	entries []*entry
	byKey   map[string]*entry
}

// entry is a document in the book, as the journal shows it (T4).
type entry struct {
	N      int             `json:"n"`
	At     time.Time       `json:"at"`
	Key    string          `json:"key"`
	Kind   string          `json:"kind"`
	Order  string          `json:"order"`
	Seq    int             `json:"seq"`
	Digest string          `json:"digest"`
	Ref    string          `json:"ref"`
	Lines  json.RawMessage `json:"lines"`
	Data   json.RawMessage `json:"data"`
}

func newBook(name, token string) *book {
	return &book{name: name, token: token, generation: rand.Text(), byKey: map[string]*entry{}}
}

// guard asks for the credential that Waybill sends with every request.
func (b *book) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+b.token {
			problem(w, http.StatusUnauthorized, "unauthorized", "the credential is not that of "+b.name)
			return
		}
		next(w, r)
	}
}

// take applies a document once (T1).
func (b *book) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		problem(w, http.StatusBadRequest, "unreadable", err.Error())
		return
	}
	e := &entry{}
	if err := json.Unmarshal(body, e); err != nil || e.Key == "" || e.Key != r.Header.Get("Idempotency-Key") {
		problem(w, http.StatusBadRequest, "malformed", "want a document as JSON, its key that of the header Idempotency-Key")
		return
	}
	sum := sha256.Sum256(body)
	e.Digest = "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	if r.Header.Get("Content-Digest") != e.Digest {
		problem(w, http.StatusBadRequest, "digest_mismatch", "the body is not the one that Content-Digest speaks of")
		return
	}
	deadline, err := time.Parse(time.RFC3339, r.Header.Get("Waybill-Deadline"))
	if err != nil {
		problem(w, http.StatusBadRequest, "malformed", "Waybill-Deadline is no time")
		return
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.byKey[e.Key]; known != nil {
		if known.Digest != e.Digest { // the same key never stands for something else
			problem(w, http.StatusUnprocessableEntity, "key_reuse", "the key is known with another body")
			return
		}
		w.Header().Set("Idempotency-Replayed", "true")
		b.receipt(w, http.StatusOK, known)
		return
	}
	if time.Now().After(deadline) { // Waybill may have asked T2 already: applying it now would break that answer
		problem(w, http.StatusRequestTimeout, "deadline_passed", "nothing was applied")
		return
	}
	e.N, e.At = len(b.entries)+1, time.Now()
	e.Ref = fmt.Sprintf("%s-%d", b.name, e.N)
	b.entries, b.byKey[e.Key] = append(b.entries, e), e
	b.receipt(w, http.StatusCreated, e)
}

// receipt says that a document is applied. A check is approved: this ERP
// refuses nobody.
func (b *book) receipt(w http.ResponseWriter, status int, e *entry) {
	result := map[string]any{}
	if e.Kind == "order_check" {
		result["approved"] = true
		result["reasons"] = []any{}
	}
	answer(w, status, map[string]any{"ref": e.Ref, "n": e.N, "applied_at": e.At, "generation": b.generation, "result": result})
}

// lookUp says whether a key took effect (T2). "No" is a promise: take refuses
// whatever had a deadline before as_of.
func (b *book) lookUp(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byKey[r.PathValue("key")]
	if e == nil {
		answer(w, http.StatusNotFound, map[string]any{"found": false, "as_of": time.Now(), "generation": b.generation})
		return
	}
	answer(w, http.StatusOK, map[string]any{"found": true, "state": "applied", "key": e.Key, "ref": e.Ref, "n": e.N,
		"digest": e.Digest, "seq": e.Seq, "generation": b.generation, "result": map[string]any{}, "lines": []any{}})
}

// info says who this is and how it treats a repeated key (T3).
func (b *book) info(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"system": b.name, "generation": b.generation, "head": len(b.entries), "now": time.Now(),
		"idempotency": "key", "key_ttl_s": 86400, "keeps_order": false})
}

// journal lists the book (T4); reconciliation reads it.
func (b *book) journal(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.FormValue("after")) // absent: from the beginning
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 1000
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	from := min(max(after, 0), len(b.entries))
	to := min(from+limit, len(b.entries))
	answer(w, http.StatusOK, map[string]any{"generation": b.generation, "head": len(b.entries), "entries": b.entries[from:to]})
}

func answer(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		problem(w, http.StatusInternalServerError, "internal", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the caller has gone where this fails; it will ask T2
}

// problem is an error by RFC 9457, as the contract wants it (G3).
func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "title": http.StatusText(status), "detail": detail})
}
