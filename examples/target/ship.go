package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// warehouse ships what its book asks for.
type warehouse struct {
	book    *book
	waybill string
	secret  string // whsec_…
}

// ship reports the shipment of an order's newest warehouse order to Waybill and
// passes Waybill's answer on. Asked twice, it reports the same shipment twice,
// under the same webhook-id: that is what a careful sender does after a time-out.
func (h *warehouse) ship(w http.ResponseWriter, r *http.Request) {
	order := r.PathValue("order")
	e := h.asked(order)
	if e == nil {
		problem(w, http.StatusNotFound, "unknown_order", "the warehouse was not asked to ship "+order)
		return
	}
	var lines []struct {
		Line string `json:"line"`
		Qty  string `json:"qty"`
	}
	if err := json.Unmarshal(e.Lines, &lines); err != nil {
		problem(w, http.StatusInternalServerError, "internal", err.Error())
		return
	}
	shipment := "SH-" + strconv.Itoa(e.N)
	body, err := json.Marshal(map[string]any{"type": "shipment.confirmed", "timestamp": e.At, "data": map[string]any{
		"order": order, "shipment": shipment, "shipped_at": e.At, "mode": "parcel", "carrier": "Example Parcel", "final": true,
		"lines": lines, "packages": []any{map[string]any{"tracking": "EX" + strconv.Itoa(100000+e.N), "lines": lines}},
	}})
	if err != nil {
		problem(w, http.StatusInternalServerError, "internal", err.Error())
		return
	}
	h.push(w, r, "evt_"+shipment, body)
}

// asked is the newest warehouse order of an order.
func (h *warehouse) asked(order string) *entry {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	for i := len(h.book.entries) - 1; i >= 0; i-- {
		if e := h.book.entries[i]; e.Kind == "warehouse_order" && e.Order == order {
			return e
		}
	}
	return nil
}

// push signs an event as Standard Webhooks 1.0 and sends it (W1).
func (h *warehouse) push(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, h.waybill+"/in/"+h.book.name, bytes.NewReader(body))
	key, keyErr := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.secret, "whsec_"))
	if err != nil || keyErr != nil {
		problem(w, http.StatusInternalServerError, "misconfigured", "--waybill is no address, or webhook_secret is not whsec_ and base64")
		return
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + now + "."))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", now)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		problem(w, http.StatusBadGateway, "not_sent", err.Error())
		return
	}
	defer func() { _ = resp.Body.Close() }()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
