// Package all is the list of connectors that the binary ships.
package all

import (
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/connector/file"
	"github.com/waybillhq/waybill/connector/orders"
	"github.com/waybillhq/waybill/connector/rest"
	"github.com/waybillhq/waybill/connector/shopify"
	"github.com/waybillhq/waybill/connector/tryton"
)

// Registry lists what ships. A new connector is one line here.
func Registry() connector.Registry {
	return mustRegister(
		contract.Manifest(),
		edi.Manifest(),
		file.Manifest(),
		orders.Manifest(),
		rest.Manifest(),
		shopify.Manifest(),
		tryton.Manifest(),
	)
}

// mustRegister panics where two connectors have one name, which a test of this
// package would have shown.
func mustRegister(manifests ...connector.Manifest) connector.Registry {
	r, err := connector.NewRegistry(manifests...)
	if err != nil {
		panic(err)
	}
	return r
}
