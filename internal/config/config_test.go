package config_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/config"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// registry has the two connectors that the package knows by name, one that
// numbers its documents, and one with settings.
func registry(t testing.TB) connector.Registry {
	t.Helper()
	r, err := connector.NewRegistry(
		connector.Manifest{Name: "contract", Roles: waybill.Roles(), KeepsOrder: true},
		connector.Manifest{Name: "numbers", Roles: []waybill.Role{waybill.RoleWMS}, Numbered: true},
		connector.Manifest{Name: "orders", Roles: []waybill.Role{waybill.RoleChannel}, NoChannelDocuments: true},
		connector.Manifest{Name: "storefront", Roles: []waybill.Role{waybill.RoleChannel}, Settings: []connector.Setting{
			{Name: "api_version", Doc: "the version of the storefront's API", Default: "2026-04"},
			{Name: "location", Doc: "the number of the place that ships", Required: true},
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sections is a configuration that loads without a warning, by its outermost
// keys.
var sections = []struct{ key, text string }{
	{"version", "version: 1\n"},
	{"namespace", "namespace: test\n"},
	{"company", "company: {id: 01, currency: EUR}\n"},
	{"api", "api: {keys: [{name: ops, role: operator, key: \"${env:OPS_KEY}\"}]}\n"},
	{"systems", `systems:
  erp: {role: erp, connector: contract, base_url: "https://erp.example.com", token: "${env:TOKEN}"}
  wms: {role: wms, connector: contract, base_url: "https://wms.example.com", token: "${env:TOKEN}"}
  shop: {role: channel, connector: contract, base_url: "https://shop.example.com", token: "${env:TOKEN}"}
`},
	{"policy", "policy: {pack: o2c}\n"},
}

// complete adds the sections that text lacks behind it, so that the lines of
// text stay. A line "#- key" leaves a section out.
func complete(text string) string {
	for _, s := range sections {
		if !strings.Contains("\n"+text, "\n"+s.key+":") && !strings.Contains(text, "#- "+s.key+"\n") {
			text += s.text
		}
	}
	return text
}

func environment(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{"OPS_KEY": "an-operators-key-000001", "OPS_KEY_2": "an-operators-key-000002", "TOKEN": "a-token", "SHORT": "abc", "EMPTY": ""} {
		t.Setenv(name, value)
	}
}

// TestLoad_Broken reads the cases of testdata/broken: NAME.yaml is what is
// wrong, NAME.want every problem that is reported, warnings too. Other files of
// an archive stand beside the configuration, readable by their owner alone.
func TestLoad_Broken(t *testing.T) {
	environment(t)
	archives, err := filepath.Glob("testdata/broken/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives in testdata/broken", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { brokenArchive(t, name) })
	}
}

func brokenArchive(t *testing.T, name string) {
	comment, files := archive(t, name)
	dir, want := t.TempDir(), map[string]string{}
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.name, ".want"); ok {
			want[id] = f.text
		} else if !strings.HasSuffix(f.name, ".yaml") {
			write(t, filepath.Join(dir, f.name), f.text)
		}
	}
	var updated strings.Builder
	updated.WriteString(comment)
	for _, f := range files {
		id, isCase := strings.CutSuffix(f.name, ".yaml")
		if !strings.HasSuffix(f.name, ".want") {
			fmt.Fprintf(&updated, "-- %s --\n%s", f.name, f.text)
		}
		if !isCase {
			continue
		}
		path := filepath.Join(dir, "waybill.yaml")
		write(t, path, complete(f.text))
		c, err := config.Load(path, registry(t))
		var problems config.Problems
		if err == nil {
			problems = c.Check()
		} else if !errors.As(err, &problems) {
			t.Fatalf("%s: error of type %T", id, err)
		}
		got := strings.ReplaceAll(problems.Error(), dir+"/", "") + "\n"
		fmt.Fprintf(&updated, "-- %s.want --\n%s", id, got)
		if expected, ok := want[id]; *update {
			continue
		} else if !ok {
			t.Errorf("%s: no %s.want", id, id)
		} else if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	if *update {
		write(t, name, updated.String())
	}
}

type file struct{ name, text string }

var marker = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// archive reads a txtar file: a comment, then files, each behind "-- NAME --".
func archive(t *testing.T, path string) (comment string, files []file) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	at := marker.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		files = append(files, file{text[m[2]:m[3]], text[m[1]:end]})
	}
	if len(files) == 0 {
		t.Fatalf("%s: no files in the archive", path)
	}
	return text[:at[0][0]], files
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waybill.yaml")
	write(t, path, text)
	c, err := config.Load(path, registry(t))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return c
}

func TestLoad_Defaults(t *testing.T) {
	environment(t)
	c := load(t, complete(""))
	if found := c.Check(); len(found) > 0 {
		t.Errorf("a complete configuration has problems:\n%v", found)
	}
	erp := c.Systems["erp"]
	got := []any{c.Namespace, c.Company.ID, c.Company.Zone.String(), c.Listen, c.Database.Path, erp.Mode, erp.Budget, erp.Token.Reveal(), c.Limits.MaxBody, c.Keys[0].Role}
	want := []any{"test", "01", "UTC", "127.0.0.1:8080", "waybill.db", config.Live, config.Budget{Concurrency: 32, Burst: 1}, "a-token", int64(10 << 20), auth.Operator}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if got := c.Target(waybill.RoleERP) + " " + c.Target(waybill.RoleWMS) + " " + c.Target(waybill.RoleTax); got != "erp wms " {
		t.Errorf("targets %q", got)
	}
}

// TestLoad_Timing holds both profiles against the text of the system contract.
func TestLoad_Timing(t *testing.T) {
	environment(t)
	for text, want := range map[string][]time.Duration{
		"":                          {10 * time.Second, 30 * time.Second, 2 * time.Second, time.Second, 5 * time.Minute, time.Hour, 10 * time.Minute, 15 * time.Minute},
		"timing: {profile: fast}\n": {2 * time.Second, 2 * time.Second, time.Second, 50 * time.Millisecond, 2 * time.Second, 10 * time.Second, 5 * time.Second, 5 * time.Second},
		"timing: {profile: fast, deadline: 3s}\npolicy: {pack: o2c, limbo: 1m}\n": {2 * time.Second, 3 * time.Second, time.Second, 50 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Second},
	} {
		c := load(t, complete(text))
		tm := c.Timing
		got := []time.Duration{tm.Lease, tm.Deadline, tm.Settle, tm.BackoffMin, tm.BackoffMax, tm.AckDeadline, c.Policy.Limbo, c.Policy.HoldRecheck}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestLoad_SecretsFile(t *testing.T) {
	environment(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secrets.json"), `{"api_key":"an-administrators-key","erp":{"token":"from-file","webhook_secret":["whsec_b2xk","whsec_bmV3"]},"wms":{"token":"w"}}`)
	write(t, filepath.Join(dir, "waybill.yaml"), complete(`secrets_file: secrets.json
systems:
  erp: {role: erp, connector: contract, base_url: "https://erp.example.com"}
  wms: {role: wms, connector: contract, base_url: "https://wms.example.com", token: "${env:TOKEN}"}
`))
	c, err := config.Load(filepath.Join(dir, "waybill.yaml"), registry(t))
	if err != nil {
		t.Fatal(err)
	}
	env := c.Systems["erp"].Env(nil, time.Now, nil)
	if diff := cmp.Diff([]string{"from-file", "whsec_b2xk", "whsec_bmV3"}, append([]string{env.Token}, env.WebhookSecret...)); diff != "" {
		t.Errorf("erp (-want +got):\n%s", diff)
	}
	if got := c.Systems["wms"].Token.Reveal(); got != "a-token" {
		t.Errorf("the configuration's own token must win, got the file's: %q", got)
	}
	if actor, ok := auth.NewKeys(c.Keys).Identify("Bearer an-administrators-key"); !ok || actor != (auth.Actor{Name: "api", Role: auth.Admin}) {
		t.Errorf("the secrets file's key is %v, %v", actor, ok)
	}
	if printed := fmt.Sprintf("%v %+v %#v", c, c.Systems["erp"], c.Keys); strings.Contains(printed, "from-file") || strings.Contains(printed, "administrators") {
		t.Error("printing a configuration shows a secret")
	}
}

func TestLoad_NoFile(t *testing.T) {
	_, err := config.Load("testdata/absent.yaml", registry(t))
	if want := `testdata/absent.yaml: there is no such file; write one with "waybill init", or name another with --config`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestRev(t *testing.T) {
	environment(t)
	rev := func(text string) string {
		r, err := load(t, complete(text)).Rev()
		if err != nil || len(r) != 16 {
			t.Fatal(r, err)
		}
		return r
	}
	base := rev("")
	for _, same := range []string{"# a comment\n", "listen: :9000\n", "timing: {profile: standard}\n", "database: {url: \"sqlite:waybill.db\"}\n",
		"api: {keys: [{name: ops, role: operator, key: \"${env:OPS_KEY_2}\"}]}\n"} {
		if rev(same) != base {
			t.Errorf("%q changes the revision", same)
		}
	}
	seen := map[string]string{base: ""}
	for _, other := range []string{"namespace: other\n", "company: {id: 02, currency: EUR}\n", "company: {id: 01, currency: EUR, zone: Asia/Tokyo}\n",
		"policy: {pack: o2c, over_ship: 0.1}\n", "policy: {pack: o2c, price_tolerance: 0.1}\n", "timing: {settle: 3s}\n", "limits: {max_body: 1MiB}\n",
		"egress: {allow: [10.0.0.0/8]}\n", "milestones: [{name: a, from: accepted, until: shipped, within: 1h}]\n",
		"notify: {ops: {url: \"https://ops.example.com\"}}\n", "api: {keys: [{name: ops, role: admin, key: \"${env:OPS_KEY}\"}]}\n"} {
		r := rev(other)
		if before, taken := seen[r]; taken {
			t.Errorf("%q has the revision of %q", other, before)
		}
		seen[r] = other
	}
}

// uncomment gives the example with what it leaves out.
func uncomment(text string) string { return strings.ReplaceAll(text, "#~ ", "") }

func TestExample(t *testing.T) {
	b, err := os.ReadFile("../../waybill.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "waybill.yaml")
	write(t, path, string(b))
	c, err := config.Load(path, registry(t))
	if err != nil {
		t.Fatalf("the example does not load:\n%v", err)
	}
	if got, want := slices.Sorted(maps.Keys(c.Systems)), []string{"api", "carrier", "erp", "shop", "wms"}; !slices.Equal(got, want) {
		t.Errorf("systems %v, want %v", got, want)
	}

	write(t, filepath.Join(dir, "key"), "a-key-that-is-long-enough\n")
	write(t, filepath.Join(dir, "portal"), "another-key-for-the-portal\n")
	write(t, filepath.Join(dir, "secret"), "whsec_c2VjcmV0\n")
	write(t, filepath.Join(dir, "secrets.json"), `{"api_key":"another-key-of-good-length"}`)
	full := strings.NewReplacer("/etc/waybill/secrets.json", "secrets.json", "/run/secrets/waybill-operations-key", "key", "/run/secrets/waybill-portal-key", "portal",
		"/run/secrets/erp-webhook-secret", "secret").Replace(uncomment(string(b)))
	for _, name := range []string{"DASHBOARD_KEY", "ERP_TOKEN", "ERP_WEBHOOK_SECRET", "ERP_WEBHOOK_SECRET_OLD", "CARRIER_WEBHOOK_SECRET", "OPERATIONS_SECRET"} {
		t.Setenv("WAYBILL_"+name, "the-secret-called-"+name)
	}
	write(t, path, full)
	if c, err = config.Load(path, registry(t)); err != nil {
		t.Fatalf("the example with all that it leaves out does not load:\n%v", err)
	}
	if len(c.Keys) != 4 || !slices.Equal(c.Keys[2].Customers, []string{"C100", "C101"}) || len(c.Systems["erp"].WebhookSecrets) != 3 || len(c.Milestones) != 2 {
		t.Errorf("%d keys, %d webhook secrets, %d milestones", len(c.Keys), len(c.Systems["erp"].WebhookSecrets), len(c.Milestones))
	}
}

// TestLoad_Server: a PostgreSQL database is named by its URL, and its password
// like any other secret.
func TestLoad_Server(t *testing.T) {
	environment(t)
	t.Setenv("DB_PASSWORD", "not for logs")
	const url = "postgres://waybill@db.example.com:5432/waybill?sslmode=verify-full"
	for text, password := range map[string]string{
		"database: {url: '" + url + "'}\n":                                 "",
		"database: {url: '" + url + "', password: '${env:DB_PASSWORD}'}\n": "not for logs",
	} {
		c := load(t, complete(text))
		if found := c.Check(); len(found) > 0 {
			t.Errorf("%s has problems:\n%v", text, found)
		}
		if !c.Database.Server() || c.Database.URL != url || c.Database.Password.Reveal() != password {
			t.Errorf("%s is read as %+v", text, c.Database)
		}
	}
	if c := load(t, complete("")); c.Database.Server() {
		t.Error("the embedded database is taken for a server's")
	}
}
