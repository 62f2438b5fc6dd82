package edi_test

import (
	"path/filepath"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/internal/transport"
)

// The customer and the warehouse of the example are held to what the engine
// relies on.
func TestEDI_ConformsAsChannel(t *testing.T) {
	conforms(t, "bigbox", waybill.RoleChannel)
}

func TestEDI_ConformsAsWarehouse(t *testing.T) {
	conforms(t, "threepl", waybill.RoleWMS)
}

func conforms(t *testing.T, partner string, role waybill.Role) {
	t.Helper()
	connectortest.Run(t, edi.Manifest(), connectortest.Harness{Fixtures: filepath.Join("testdata", partner),
		Env: connector.Env{System: partner, Role: role, OrderPrefix: "bigbox~.", Files: transport.NewFolder(t.TempDir()),
			Settings: map[string]string{"partner": filepath.Join(example, partner+".yaml")}}})
}
