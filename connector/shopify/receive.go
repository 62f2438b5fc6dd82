package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Headers of a webhook.
const (
	headerSignature = "X-Shopify-Hmac-Sha256"
	headerWebhookID = "X-Shopify-Webhook-Id"
	headerTopic     = "X-Shopify-Topic"
	headerShop      = "X-Shopify-Shop-Domain"
	headerTriggered = "X-Shopify-Triggered-At"
)

// Receive authenticates a webhook: the signature is the base64 HMAC-SHA256 of
// the raw body under the app's secret.
//
// The dedupe key is X-Shopify-Webhook-Id, which is equal on all repetitions of
// one webhook. X-Shopify-Event-Id is not it: it names what a person did in the
// shop, and orders/create, orders/updated and orders/paid of one checkout carry
// the same. (Two subscriptions to one topic do send two webhooks; their facts
// are equal and the second changes nothing.)
//
// No header is signed, so there is no check of X-Shopify-Triggered-At: it would
// only turn away repetitions, which Shopify sends for hours. An old body under
// a new id states an old version, which is superseded or the same fact.
func (s *shop) Receive(in connector.Inbound) (connector.Envelope, error) {
	if err := s.verify(in); err != nil {
		return connector.Envelope{}, err
	}
	if err := connector.CheckJSONType(in.Header); err != nil {
		return connector.Envelope{}, err
	}
	id, topic := in.Header.Get(headerWebhookID), in.Header.Get(headerTopic)
	switch {
	case id == "" || len(id) > waybill.IDMax:
		return connector.Envelope{}, connector.Reject(http.StatusBadRequest, "missing_header", headerWebhookID,
			"the webhook has no usable id", "send the header as Shopify does; a proxy in between may have dropped it")
	case topic == "":
		return connector.Envelope{}, connector.Reject(http.StatusBadRequest, "missing_header", headerTopic,
			"the webhook has no topic", "send the header as Shopify does; a proxy in between may have dropped it")
	case s.domain != "" && !strings.EqualFold(in.Header.Get(headerShop), s.domain):
		return connector.Envelope{}, connector.Reject(http.StatusBadRequest, "wrong_shop", headerShop,
			fmt.Sprintf("the webhook is of shop %q and this address takes those of %q", in.Header.Get(headerShop), s.domain),
			"point each shop's webhooks to its own system")
	}
	if err := connector.CheckJSON(in.Body); err != nil {
		return connector.Envelope{}, err
	}
	return connector.Envelope{ID: id, Topic: topic}, nil
}

// verify compares with every secret, all of them in constant time.
func (s *shop) verify(in connector.Inbound) error {
	given, err := base64.StdEncoding.DecodeString(in.Header.Get(headerSignature))
	if err != nil || len(given) != sha256.Size {
		return connector.Reject(http.StatusUnauthorized, "bad_signature", headerSignature,
			"the signature is missing or is not the base64 of 32 bytes", "sign with the app's client secret")
	}
	genuine := false
	for _, secret := range s.env.WebhookSecret {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(in.Body)
		genuine = hmac.Equal(mac.Sum(nil), given) || genuine
	}
	if !genuine {
		return connector.Reject(http.StatusUnauthorized, "bad_signature", headerSignature,
			"the signature fits none of the configured secrets",
			"compare webhook_secret with the app's client secret, or the one under Settings, Notifications, Webhooks")
	}
	return nil
}
