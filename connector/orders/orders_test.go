package orders_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/orders"
)

func TestOrders_Conforms(t *testing.T) {
	connectortest.Run(t, orders.Manifest(), connectortest.Harness{
		Env: connector.Env{System: "api"},
		Receive: connectortest.Receive{
			Sign: func(p connectortest.Push) http.Header {
				return http.Header{"Idempotency-Key": {p.ID}, "Content-Type": {"application/json"}}
			},
			Required: []string{"Idempotency-Key"},
		},
	})
}

func TestReceive_TakesTheKeyBareOrQuoted(t *testing.T) {
	c, err := orders.Manifest().Open(connector.Env{System: "api"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("k", 128)
	tests := []struct {
		values []string
		want   string // "": 400
	}{
		{[]string{"8e03978e-40d5-43e8-bc93-6894a57f9324"}, "8e03978e-40d5-43e8-bc93-6894a57f9324"},
		{[]string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`}, "8e03978e-40d5-43e8-bc93-6894a57f9324"},
		{[]string{" order_1 "}, "order_1"},
		{[]string{long}, long},
		{[]string{long + "k"}, ""},
		{[]string{`"order_1`}, ""},
		{[]string{`order_1"`}, ""},
		{[]string{`"`}, ""},
		{[]string{`""`}, ""},
		{[]string{`"a\"b"`}, ""},
		{[]string{"a b"}, ""},
		{[]string{"käse"}, ""},
		{[]string{"a", "a"}, ""},
		{nil, ""},
	}
	for _, tt := range tests {
		in := connector.Inbound{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`), Now: connectortest.Now}
		if tt.values != nil {
			in.Header["Idempotency-Key"] = tt.values
		}
		envelope, err := c.Receiver.Receive(in)
		if tt.want != "" {
			if err != nil || envelope.ID != tt.want {
				t.Errorf("%q: id %q, error %v, want %q", tt.values, envelope.ID, err, tt.want)
			}
			continue
		}
		r := (*connector.Rejection)(nil)
		if !errors.As(err, &r) || r.Status != http.StatusBadRequest || r.Err.Field != "Idempotency-Key" {
			t.Errorf("%q: envelope %+v, error %v, want 400 that names the header", tt.values, envelope, err)
		}
	}
}

func TestReceive_WantsJSON(t *testing.T) {
	c, err := orders.Manifest().Open(connector.Env{System: "api"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Receiver.Receive(connector.Inbound{Body: []byte("order=1"), Now: connectortest.Now,
		Header: http.Header{"Idempotency-Key": {"k"}, "Content-Type": {"application/x-www-form-urlencoded"}}})
	if r := (*connector.Rejection)(nil); !errors.As(err, &r) || r.Status != http.StatusUnsupportedMediaType {
		t.Errorf("error %v, want 415", err)
	}
}

func TestManifest_GetsNoDocumentsBack(t *testing.T) {
	m := orders.Manifest()
	if !m.NoChannelDocuments || len(m.Accepts) != 0 || m.Roles[0] != waybill.RoleChannel {
		t.Errorf("manifest %+v: orders by API get no channel documents (C11, G4)", m)
	}
}
