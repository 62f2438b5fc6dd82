package file_test

import (
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/file"
	"github.com/waybillhq/waybill/internal/transport"
)

// The specs of the example that the tests hold the connector to.
const (
	desk   = "../../examples/erp-csv/desk.yaml"
	legacy = "../../examples/erp-csv/legacy.yaml"
)

func folder(t *testing.T) (connector.Files, string) {
	t.Helper()
	dir := t.TempDir()
	f := transport.NewFolder(dir)
	return f, dir
}

func TestFile_ConformsAsERP(t *testing.T) {
	files, _ := folder(t)
	connectortest.Run(t, file.Manifest(), connectortest.Harness{Fixtures: "testdata/erp",
		Env: connector.Env{System: "legacy", Role: waybill.RoleERP, Files: files, Settings: map[string]string{"spec": legacy}}})
}

func TestFile_ConformsAsChannel(t *testing.T) {
	files, _ := folder(t)
	m := file.Manifest()
	m.Accepts = nil // this one only sends
	connectortest.Run(t, m, connectortest.Harness{Fixtures: "testdata/desk",
		Env: connector.Env{System: "desk", Role: waybill.RoleChannel, OrderPrefix: "desk~.", Files: files, Settings: map[string]string{"spec": desk}}})
}
