package contract_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
)

// The test vector of the contract, W1.
const (
	vectorBody      = `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","version":1}}`
	vectorSignature = "v1,YKfnXcvGXEF/hz143Wpr5Dj7S98IO4Xy5BBtZtnQk0U="
)

func vector(edit func(h http.Header)) connector.Inbound {
	h := http.Header{}
	h.Set("webhook-id", "evt_0001")
	h.Set("webhook-timestamp", "1767323045")
	h.Set("webhook-signature", vectorSignature)
	h.Set("Content-Type", "application/json")
	if edit != nil {
		edit(h)
	}
	return connector.Inbound{Header: h, Body: []byte(vectorBody), Now: time.Unix(1767323045, 0)}
}

func open(t testing.TB, env connector.Env) connector.Connector {
	t.Helper()
	c, err := contract.Manifest().Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReceive_TakesTheContractsTestVector(t *testing.T) {
	r := open(t, connector.Env{System: "channel", Role: waybill.RoleChannel, WebhookSecret: []string{secret}}).Receiver
	envelope, err := r.Receive(vector(nil))
	if err != nil || envelope.ID != "evt_0001" {
		t.Fatalf("envelope %+v, error %v", envelope, err)
	}
}

func TestReceive_ReadsHeadersByTheLetter(t *testing.T) {
	r := open(t, connector.Env{System: "channel", Role: waybill.RoleChannel, WebhookSecret: []string{secret2, secret}}).Receiver
	const wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	set := func(name, value string) func(http.Header) {
		return func(h http.Header) { h.Set(name, value) }
	}
	tests := []struct {
		name   string
		edit   func(http.Header)
		status int // 0: taken
		code   string
	}{
		{"list with another first", set("webhook-signature", wrong+" "+vectorSignature), 0, ""},
		{"list with another version", set("webhook-signature", "v1a,c29tZXRoaW5n "+vectorSignature), 0, ""},
		{"charset", set("Content-Type", "application/json; charset=UTF-8"), 0, ""},
		{"structured syntax suffix", set("Content-Type", "application/cloudevents+json"), 0, ""},
		{"longest id", set("webhook-id", strings.Repeat("a", 128)), 401, "signature_wrong"},
		{"id too long", set("webhook-id", strings.Repeat("a", 129)), 400, "header_malformed"},
		{"id with a space", set("webhook-id", "evt 1"), 400, "header_malformed"},
		{"id with a dot is an id", set("webhook-id", "evt.1"), 401, "signature_wrong"},
		{"id twice", func(h http.Header) { h.Add("webhook-id", "evt_0001") }, 400, "header_malformed"},
		{"no id", func(h http.Header) { h.Del("webhook-id") }, 400, "header_missing"},
		{"time in words", set("webhook-timestamp", "now"), 400, "header_malformed"},
		{"time with a sign", set("webhook-timestamp", "+1767323045"), 400, "header_malformed"},
		{"time below zero", set("webhook-timestamp", "-1"), 400, "header_malformed"},
		{"time in milliseconds", set("webhook-timestamp", "1767323045000"), 400, "header_malformed"},
		{"time with a fraction", set("webhook-timestamp", "1767323045.5"), 400, "header_malformed"},
		{"time out of the window", set("webhook-timestamp", "1767322744"), 401, "timestamp_out_of_window"},
		{"another time in the window", set("webhook-timestamp", "1767323044"), 401, "signature_wrong"},
		{"no list", set("webhook-signature", "YKfnXcvGXEF"), 400, "header_malformed"},
		{"only another version", set("webhook-signature", "v1a,c29tZXRoaW5n"), 401, "signature_wrong"},
		{"no base64", set("webhook-signature", "v1,%%%"), 401, "signature_wrong"},
		{"nothing after the comma", set("webhook-signature", "v1,"), 401, "signature_wrong"},
		{"wrong", set("webhook-signature", wrong), 401, "signature_wrong"},
		{"endless list", set("webhook-signature", strings.Repeat(wrong+" ", 17)), 400, "header_malformed"},
		{"no content type", func(h http.Header) { h.Del("Content-Type") }, 415, "content_type"},
		{"a form", set("Content-Type", "application/x-www-form-urlencoded"), 415, "content_type"},
		{"text", set("Content-Type", "text/json"), 415, "content_type"},
		{"another charset", set("Content-Type", "application/json; charset=iso-8859-1"), 415, "content_type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Receive(vector(tt.edit))
			if tt.status == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			rejection := (*connector.Rejection)(nil)
			if !errors.As(err, &rejection) || rejection.Status != tt.status || rejection.Err.Code != tt.code {
				t.Errorf("error %#v, want status %d and code %s", err, tt.status, tt.code)
			}
		})
	}
}

func TestOpen_NamesWhatIsWrong(t *testing.T) {
	good := func() connector.Env {
		return connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: "https://erp.example.com/waybill/",
			Client: http.DefaultClient, Now: time.Now, WebhookSecret: []string{secret}}
	}
	tests := []struct {
		name string
		edit func(*connector.Env)
		want string
	}{
		{"secret without prefix", func(e *connector.Env) { e.WebhookSecret = []string{secret, "d2F5"} }, "webhook secret 2: want whsec_"},
		{"secret without base64", func(e *connector.Env) { e.WebhookSecret = []string{"whsec_%"} }, "not base64"},
		{"empty secret", func(e *connector.Env) { e.WebhookSecret = []string{"whsec_"} }, "not base64"},
		{"address without scheme", func(e *connector.Env) { e.BaseURL = "erp.example.com" }, "want http:// or https://"},
		{"address of another scheme", func(e *connector.Env) { e.BaseURL = "ftp://erp.example.com" }, "want http:// or https://"},
		{"address with a query", func(e *connector.Env) { e.BaseURL = "https://erp.example.com/?a=1" }, "after ? or #"},
		{"address with a password", func(e *connector.Env) { e.BaseURL = "https://u:hidden@erp.example.com" }, "token"},
		{"no client", func(e *connector.Env) { e.Client = nil }, "without a client"},
		{"token with a line break", func(e *connector.Env) { e.Token = "a\nb" }, "line break"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := good()
			tt.edit(&env)
			_, err := contract.Manifest().Open(env)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "system erp") {
				t.Errorf("error %v, want one with %q and the system", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "d2F5")) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	c := open(t, good())
	if c.Receiver == nil || c.Deliverer == nil || c.Inquirer == nil || c.Prober == nil || c.Journal == nil || c.Publisher == nil {
		t.Errorf("a whole system lacks a capability: %+v", c)
	}
	env := good()
	env.BaseURL, env.WebhookSecret = "", nil
	if c = open(t, env); c.Receiver != nil || c.Deliverer != nil || c.Translator == nil {
		t.Errorf("without address and secret: %+v", c)
	}
}
