package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/engine"
)

// Limits of telling people: a slow receiver never holds up an order.
const (
	alertsWaiting = 1024
	alertTries    = 6
	alertTimeout  = 10 * time.Second
)

// alerter sends alerts as Standard Webhooks 1.0. The exception itself is the
// durable record; an alert that can't be brought is logged.
type alerter struct {
	client *http.Client
	log    *slog.Logger
	queue  chan engine.Alert

	mu    sync.RWMutex
	named map[string]*config.Notify
}

func newAlerter(client *http.Client, named map[string]*config.Notify, log *slog.Logger) *alerter {
	return &alerter{client: client, log: log, named: named, queue: make(chan engine.Alert, alertsWaiting)}
}

func (a *alerter) replace(named map[string]*config.Notify) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.named = named
}

// tell queues an alert; it never blocks.
func (a *alerter) tell(alert engine.Alert) {
	select {
	case a.queue <- alert:
	default:
		a.log.Error("an alert was dropped: too many wait", "cause", alert.Cause, "order", alert.Ref)
	}
}

// run brings alerts until ctx ends.
func (a *alerter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case alert := <-a.queue:
			go a.bring(ctx, alert)
		}
	}
}

func (a *alerter) bring(ctx context.Context, alert engine.Alert) {
	a.mu.RLock()
	to := a.named[alert.Target]
	a.mu.RUnlock()
	if to == nil {
		return
	}
	body, err := json.Marshal(map[string]any{
		"type": "exception.raised", "timestamp": alert.At.UTC().Format(time.RFC3339Nano),
		"data": map[string]string{"cause": alert.Cause, "order": alert.Ref, "detail": alert.Detail, "next": alert.Next},
	})
	if err != nil {
		a.log.Error("an alert could not be written", "error", err)
		return
	}
	id := "alert_" + rand.Text()
	for try := range alertTries {
		err := a.post(ctx, to, id, body)
		if err == nil {
			return
		}
		a.log.Warn("an alert was not taken", "notify", alert.Target, "try", try+1, "error", err)
		timer := time.NewTimer(time.Second << try)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (a *alerter) post(ctx context.Context, to *config.Notify, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, alertTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/json")
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", stamp)
	if !to.Secret.IsZero() {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(to.Secret.Reveal(), "whsec_"))
		if err != nil {
			return fmt.Errorf("the secret of the notification is not whsec_ and base64: %w", err)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", to.URL, resp.Status)
	}
	return nil
}
