package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
)

func targets(t *testing.T, texts ...string) []config.NameURL {
	t.Helper()
	var list []config.NameURL
	for _, text := range texts {
		n, err := config.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// TestInit_Contract runs the command line of the system contract.
func TestInit_Contract(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, "my secrets: \"a\".json")
	write(t, secrets, `{"api_key":"marked-key-0123456789","erp":{"token":"marked-erp","webhook_secret":"whsec_bWFya2Vk"},
		"wms":{"token":"marked-wms"},"channel":{"token":"marked-channel"},"carrier":{"webhook_secret":"whsec_bWFya2Vk"},"tms":{"token":"marked"},"zzz":{}}`)
	out, err := config.Init(config.InitOptions{Pack: "o2c", Timing: "fast", SecretsFile: secrets, EgressAllow: []string{"127.0.0.0/8"},
		Targets: targets(t, "erp=http://127.0.0.1:7001/", "wms=http://127.0.0.1:7002", "channel=http://127.0.0.1:7003/base")})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("marked")) || bytes.Contains(out, []byte("bWFya2Vk")) {
		t.Errorf("a secret was copied into\n%s", out)
	}
	golden := strings.ReplaceAll(string(out), dir, "/DIR")
	if *update {
		write(t, "testdata/init.yaml", golden)
	}
	want, err := os.ReadFile("testdata/init.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), golden); diff != "" {
		t.Errorf("init (-want +got):\n%s", diff)
	}

	c := load(t, string(out)) // from another folder: the path of the secrets is absolute
	for _, p := range c.Check() {
		if !strings.Contains(p.Detail, "no system here") { // of tms and zzz
			t.Errorf("what init wrote has a problem: %v", p)
		}
	}
	got := map[string][]string{}
	for name, s := range c.Systems {
		got[name] = []string{string(s.Role), s.Connector, s.BaseURL, s.OrderPrefix, s.Token.Reveal()}
	}
	wantSystems := map[string][]string{
		"erp":     {"erp", "contract", "http://127.0.0.1:7001", "", "marked-erp"},
		"wms":     {"wms", "contract", "http://127.0.0.1:7002", "", "marked-wms"},
		"channel": {"channel", "contract", "http://127.0.0.1:7003/base", "", "marked-channel"},
		"carrier": {"carrier", "contract", "", "", ""},
		"api":     {"channel", "orders", "", "api~.", ""},
	}
	if diff := cmp.Diff(wantSystems, got); diff != "" {
		t.Errorf("systems (-want +got):\n%s", diff)
	}
	if c.Timing.Deadline != 2*time.Second || c.Policy.Limbo != 5*time.Second || c.Company.ID != "01" || c.Company.Zone.String() != "UTC" {
		t.Errorf("timing %+v, policy %+v, company %+v", c.Timing, c.Policy, c.Company)
	}
}

func TestInit_EveryOutputLoads(t *testing.T) {
	for _, name := range []string{"ERP", "WMS2", "SHOP", "CHANNEL", "CHANNEL_EU", "TAX"} {
		t.Setenv("WAYBILL_"+name+"_TOKEN", "a-token-of-"+name)
		t.Setenv("WAYBILL_"+name+"_WEBHOOK_SECRET", "a-secret-of-"+name)
	}
	t.Setenv("WAYBILL_API_KEY", "an-administrators-key-001")
	for name, o := range map[string]config.InitOptions{
		"standard":      {Pack: "o2c", Targets: targets(t, "erp=https://erp.example.com")},
		"namespace":     {Pack: "o2c", Targets: targets(t, "erp=https://erp.example.com"), Namespace: "true", Timing: "standard"},
		"channels":      {Pack: "o2c", Targets: targets(t, "shop:channel=https://a.example.com", "channel=https://b.example.com", "channel-eu=https://c.example.com")},
		"other names":   {Pack: "o2c", Targets: targets(t, "wms2=https://wms.example.com", "tax=https://tax.example.com"), EgressAllow: []string{"10.1.2.3", "fd00::1/8", "10.1.2.3/32"}},
		"secrets later": {Pack: "o2c", Targets: targets(t, "erp=https://erp.example.com"), SecretsFile: "testdata/absent.json"},
	} {
		out, err := config.Init(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := config.Init(o)
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("%s: the second time init writes something else", name)
		}
		c, err := config.Read("waybill.yaml", out, registry(t))
		if name == "secrets later" {
			if err == nil || !strings.Contains(err.Error(), "there is no file") || !bytes.Contains(out, []byte("does not exist yet")) {
				t.Errorf("%s: %v in\n%s", name, err, out)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v in\n%s", name, err, out)
			continue
		}
		if found := c.Check(); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		if name == "namespace" && c.Namespace != "true" {
			t.Errorf("namespace %q", c.Namespace)
		}
		if name == "channels" && (c.Systems["shop"].OrderPrefix != "" || c.Systems["channel"].OrderPrefix != "channel~." || c.Systems["channel-eu"].OrderPrefix != "channel-eu~.") {
			t.Errorf("prefixes in\n%s", out)
		}
		if name == "other names" && len(c.Egress.Allow) != 2 {
			t.Errorf("egress %v", c.Egress.Allow)
		}
	}
}

// TestShippedConnectors: what is written for users loads with the connectors
// that they have.
func TestShippedConnectors(t *testing.T) {
	t.Setenv("WAYBILL_API_KEY", "an-administrators-key-001")
	t.Setenv("WAYBILL_ERP_TOKEN", "a-token")
	t.Setenv("WAYBILL_ERP_WEBHOOK_SECRET", "whsec_c2VjcmV0")
	example, err := os.ReadFile("../../waybill.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first, err := config.Init(config.InitOptions{Pack: "o2c", Targets: targets(t, "erp=https://erp.example.com")})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"waybill.example.yaml": example, "waybill init": first} {
		if _, err := config.Read("waybill.yaml", text, all.Registry()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInit_Errors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad.json"), `{"api_key":7}`)
	erp := config.NameURL{Name: "erp", URL: "https://erp.example.com"}
	for _, c := range []struct {
		change func(*config.InitOptions)
		want   string
	}{
		{func(o *config.InitOptions) { o.Pack = "" }, `--pack: there is no pack ""; there are o2c`},
		{func(o *config.InitOptions) { o.Timing = "fst" }, `--timing: there is no profile "fst"; did you mean fast? There are standard, fast`},
		{func(o *config.InitOptions) { o.Namespace = "a b" }, `--namespace: "a b" can't be a namespace; use at most 64 letters, digits and . _ ~ -`},
		{func(o *config.InitOptions) { o.EgressAllow = []string{"local"} }, `--egress-allow: "local" is no block of addresses; write one like 10.1.0.0/16 or 10.1.2.3`},
		{func(o *config.InitOptions) { o.Targets = nil }, `--target: is missing; name the systems: --target erp=URL --target wms=URL --target channel=URL`},
		{func(o *config.InitOptions) { o.Targets[0].Name = "shop" }, `--target shop: there is no role "shop"; write shop:ROLE=URL; `},
		{func(o *config.InitOptions) { o.Targets[0].Name = "x-1:erpp" }, `--target x-1: there is no role "erpp"; write x-1:ROLE=URL; did you mean erp?`},
		{func(o *config.InitOptions) { o.Targets[0].Name = "ERP" }, `--target ERP: "ERP" can't be a system's name; begin with`},
		{func(o *config.InitOptions) { o.Targets[0].Name = "api:channel" }, `--target api: is a name of Waybill's own; choose another`},
		{func(o *config.InitOptions) { o.Targets = append(o.Targets, erp) }, `--target erp: stands twice; give each system its own name, such as erp2`},
		{func(o *config.InitOptions) {
			o.Targets = append(o.Targets, config.NameURL{Name: "erp2", URL: "https://x"})
		}, `--target erp2: is a second erp; the pack o2c sends documents to one`},
		{func(o *config.InitOptions) { o.Targets[0].URL = "erp.example.com" }, `--target erp: is no http or https address; write it in full, such as https://erp.example.com/waybill`},
		{func(o *config.InitOptions) { o.Targets[0].URL = "http://127.0.0.1:1" }, `--target erp: 127.0.0.1 is a loopback address, which is not called unasked; if the system really is there, add 127.0.0.1/32 to egress.allow in the configuration; here that is --egress-allow`},
		{func(o *config.InitOptions) { o.SecretsFile = filepath.Join(dir, "bad.json") }, `--secrets: ` + filepath.Join(dir, "bad.json") + `: api_key: want a text that is not empty`},
	} {
		o := config.InitOptions{Pack: "o2c", Targets: []config.NameURL{erp}}
		c.change(&o)
		out, err := config.Init(o)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
		if out != nil {
			t.Errorf("%s: wrote a configuration nevertheless", c.want)
		}
	}
	for _, text := range []string{"erp", "=x", "erp=", ""} {
		if _, err := config.ParseTarget(text); err == nil || err.Error() != "--target: is not NAME=URL; write it like --target erp=https://erp.example.com/waybill" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzRead: whatever the bytes, reading ends with a configuration whose
// revision can be told or with problems that have places, and does not panic.
func FuzzRead(f *testing.F) {
	for _, path := range []string{"../../waybill.example.yaml", "testdata/init.yaml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
		f.Add(uncomment(string(b)))
	}
	f.Add(complete(""))
	f.Add("a: &a [*a]\nsystems: &s {erp: *s}\n")
	f.Add("systems: {erp: {budget: {rate_per_second: .inf}, settings: {? [a] : b}}}\n")
	f.Add("api: {keys: [&k {name: a, key: *k}]}\n")
	r := registry(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Read("testdata/waybill.yaml", []byte(text), r)
		if err != nil {
			problems, ok := err.(config.Problems) //nolint:errorlint // Read promises exactly this type
			if !ok || !problems.Fatal() {
				t.Fatalf("error %T without a fatal problem: %v", err, err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Detail == "" {
					t.Errorf("a problem without a place: %+v", p)
				}
			}
			return
		}
		if _, err := c.Rev(); err != nil {
			t.Error(err)
		}
		for name, s := range c.Systems {
			if s.Role == waybill.RoleChannel && s.OrderPrefix != "" && !strings.HasSuffix(s.OrderPrefix, "~.") {
				t.Errorf("%s: order prefix %q", name, s.OrderPrefix)
			}
		}
	})
}
