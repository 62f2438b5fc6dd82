package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/config"
)

// exchanging is a registry with one connector of files, whose description
// takes the kinds that its setting names.
func exchanging(t *testing.T) connector.Registry {
	t.Helper()
	registry, err := connector.NewRegistry(connector.Manifest{Name: "boxes", Roles: waybill.Roles(), Files: true,
		Settings: []connector.Setting{{Name: "spec", File: true, Required: true}},
		Open: func(env connector.Env) (connector.Connector, error) {
			d := &connector.Description{}
			if strings.HasSuffix(env.Settings["spec"], "out.yaml") {
				d.Accepts = []waybill.Kind{waybill.Invoice}
			}
			return connector.Connector{Described: d}, nil
		}},
		connector.Manifest{Name: "plain", Roles: waybill.Roles()})
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

const placeHead = "version: 1\nnamespace: n\ncompany: {id: \"01\", zone: UTC, currency: EUR}\npolicy: {pack: o2c}\nsystems:\n"

func TestPlace_IsReadWithItsDefaults(t *testing.T) {
	dir := t.TempDir()
	c, err := config.Read(filepath.Join(dir, "waybill.yaml"), []byte(placeHead+`
  erp: {role: erp, connector: boxes, folder: exchange/erp, settings: {spec: out.yaml}}
  stock:
    role: erp
    connector: boxes
    sftp: {address: files.example.com, user: waybill, host_keys: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], password: "${env:HOME}", path: /x}
    settings: {spec: in.yaml}
`), exchanging(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Systems["erp"].Place.Folder; got != filepath.Join(dir, "exchange/erp") {
		t.Errorf("folder %s", got)
	}
	f := c.Systems["stock"].Place.SFTP
	if f == nil || f.Address != "files.example.com:22" || f.Path != "/x" || f.Password.IsZero() {
		t.Errorf("sftp %+v", f)
	}
	// Which of the two takes documents is what their files say.
	if got := c.Target(waybill.RoleERP); got != "erp" || c.Systems["stock"].TakesDocuments() {
		t.Errorf("documents go to %q", got)
	}
}

func TestPlace_SaysWhatIsWrong(t *testing.T) {
	_, err := config.Read("waybill.yaml", []byte(placeHead+`
  a: {role: erp, connector: boxes, settings: {spec: in.yaml}}
  b: {role: erp, connector: plain, folder: x}
  c:
    role: wms
    connector: boxes
    folder: x
    sftp: {address: "a:b:c", host_keys: [md5], keys: 1}
    settings: {spec: in.yaml}
`), exchanging(t))
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{
		"systems.a.folder: is missing; name the folder in which files are exchanged",
		"systems.b: the connector plain exchanges no files",
		"systems.c.sftp: there is a folder too",
		`systems.c.sftp.address: "a:b:c" is no address`,
		"systems.c.sftp.user: is missing",
		`systems.c.sftp.host_keys[0]: "md5" is no fingerprint of a host key; write it as ssh-keygen -l shows it`,
		"systems.c.sftp.key: neither a key nor a password is named",
		"systems.c.sftp.keys: unknown key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said; said is\n%v", want, err)
		}
	}
}
