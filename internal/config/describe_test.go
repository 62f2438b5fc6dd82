package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// described is a connector whose systems are described by a file: KEY: WORD.
func described() connector.Manifest {
	return connector.Manifest{Name: "described", Roles: waybill.Roles(), Settings: []connector.Setting{{Name: "spec", Doc: "the file", Required: true, File: true}},
		Open: func(env connector.Env) (connector.Connector, error) {
			var body struct {
				Word string `yaml:"word"`
			}
			f, err := yamlfile.Load(env.Settings["spec"], &body)
			if err != nil {
				return connector.Connector{}, err
			}
			if body.Word == "bad" {
				f.Wrong("is bad", "write another", "word")
			}
			return connector.Connector{Described: &connector.Description{Idempotency: waybill.ByKey, Revision: body.Word}}, f.Err()
		}}
}

const describedSystems = `systems:
  erp: {role: erp, connector: described, base_url: "https://erp.example.com", token: "${env:TOKEN}", settings: {spec: sub/spec.yaml}}
`

func TestDescribe_TheFileIsPartOfTheConfiguration(t *testing.T) {
	environment(t)
	r, err := connector.NewRegistry(described())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, spec := filepath.Join(dir, "waybill.yaml"), filepath.Join(dir, "sub", "spec.yaml")
	if err := os.Mkdir(filepath.Dir(spec), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, complete(describedSystems))
	rev := map[string]string{}
	for _, word := range []string{"one", "two"} {
		write(t, spec, "word: "+word+"\n")
		c, err := config.Load(path, r)
		if err != nil {
			t.Fatal(err)
		}
		sys := c.Systems["erp"]
		if sys.Described == nil || sys.Described.Idempotency != waybill.ByKey || sys.Env(nil, nil, nil).Settings["spec"] != spec || sys.Settings["spec"] != "sub/spec.yaml" {
			t.Errorf("system %+v", sys)
		}
		if rev[word], err = c.Rev(); err != nil {
			t.Fatal(err)
		}
	}
	if rev["one"] == rev["two"] {
		t.Error("another spec has the same revision")
	}
	write(t, spec, "other: 1\nword: bad\n")
	if _, err := config.Load(path, r); err == nil || !strings.Contains(err.Error(), spec+":1:1: other: unknown key") {
		t.Errorf("error %v", err)
	}
	write(t, spec, "\nword: bad\n")
	if _, err := config.Load(path, r); err == nil || !strings.Contains(err.Error(), spec+":2:7: word: is bad; write another") {
		t.Errorf("error %v", err)
	}
	write(t, path, complete(strings.Replace(describedSystems, "sub/spec", "sub/absent", 1)))
	if _, err := config.Load(path, r); err == nil || !strings.Contains(err.Error(), "absent.yaml: the file can't be read") {
		t.Errorf("error %v", err)
	}
}
