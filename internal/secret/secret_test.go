package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/waybillhq/waybill/internal/secret"
)

const marked = "marked-s3cret"

// holder has a secret everywhere a struct can have one.
type holder struct {
	Public  secret.Secret
	private secret.Secret
	Pointer *secret.Secret
	List    []secret.Secret
	Map     map[string]secret.Secret
	Any     any
}

func hold() holder {
	s := secret.New(marked)
	return holder{s, s, &s, []secret.Secret{s}, map[string]secret.Secret{"k": s}, s}
}

func TestSecret_NeverPrinted(t *testing.T) {
	h := hold()
	if h.private.Reveal() != marked {
		t.Fatal("the secret is not what it was made of")
	}
	outputs := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%p", "%10.3s"} {
		outputs["value "+verb] = fmt.Sprintf(verb, h.Public)
		outputs["pointer "+verb] = fmt.Sprintf(verb, h.Pointer)
		outputs["struct "+verb] = fmt.Sprintf(verb, h)
		outputs["struct pointer "+verb] = fmt.Sprintf(verb, &h)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "json v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) }, "yaml": func(v any) ([]byte, error) { return yaml.Dump(v) },
	} {
		b, err := marshal(h)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Contains(b, []byte("***")) {
			t.Errorf("%s does not show that there is a secret: %s", name, b)
		}
		outputs[name] = string(b)
	}
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "secret", h.Public, "holder", h)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("m", "secret", h.Public, "holder", h)
	outputs["slog text"], outputs["slog json"] = text.String(), structured.String()
	outputs["error"] = fmt.Errorf("with %w and %v", errors.New("e"), h).Error()

	hex := fmt.Sprintf("%x", marked)
	for name, out := range outputs {
		if strings.Contains(out, marked) || strings.Contains(strings.ToLower(out), hex) || strings.Contains(out, marked[:3]) {
			t.Errorf("%s shows the secret: %s", name, out)
		}
	}
	if got := fmt.Sprintf("%v|%s|%#v", h.Public, secret.Secret{}, secret.Secret{}); got != `***||secret.New("")` {
		t.Errorf("printed %s", got)
	}
}

func TestSecret_Equal(t *testing.T) {
	a, b, c := secret.New("a"), secret.New("a"), secret.New("b")
	if !a.Equal(b) || a.Equal(c) || a.Equal(secret.Secret{}) || !secret.New("").Equal(secret.Secret{}) || !secret.New("").IsZero() || a.IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
}

// marked64 looks like a private key: several lines, and one secret.
const marked64 = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + marked + "\n-----END OPENSSH PRIVATE KEY-----\n"

func TestResolver(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"plain": marked, "line": marked + "\n", "dos": marked + "\r\n", "spaces": " " + marked + " \n", "empty": "\n", "lines": marked + "\n" + marked + "\n", "big": strings.Repeat("x", 65<<10),
		"pem": marked64} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := secret.Resolver{Dir: dir, Getenv: func(name string) (string, bool) {
		v, ok := map[string]string{"A": marked, "EMPTY": ""}[name]
		return v, ok
	}}
	for ref, want := range map[string]string{
		"${env:A}": marked, " ${env:A} ": marked, "${file:plain}": marked, "${file:line}": marked, "${file:dos}": marked,
		"${file: plain }": marked, "${file:" + dir + "/plain}": marked, "${file:spaces}": " " + marked + " ",
		"${file:pem}": strings.TrimSuffix(marked64, "\n"),
	} {
		if s, err := r.Resolve(ref); err != nil || s.Reveal() != want {
			t.Errorf("%s: %q, %v", ref, s.Reveal(), err)
		}
	}
	for ref, want := range map[string]string{
		marked:                   "a secret is named here, never written out; write ${env:NAME} or ${file:PATH}",
		"":                       "a secret is named here, never written out; write ${env:NAME} or ${file:PATH}",
		"${env:A}" + marked:      "a secret is named here, never written out; write ${env:NAME} or ${file:PATH}",
		"${env:B}":               "the environment variable B is not set; set it for the process that runs waybill",
		"${env:EMPTY}":           "the environment variable EMPTY is empty; set it to the secret",
		"${env:A B}":             `"A B" is no name of an environment variable; write letters, digits and underscores`,
		"${file:absent}":         "there is no file " + dir + "/absent; write it, or correct the path",
		"${file:empty}":          "the file empty is empty; write the secret into it",
		"${file:lines}":          "the file lines has several lines; it holds the secret alone",
		"${file:big}":            "the file " + dir + "/big is above 64 KiB; is it the right one?",
		"${file:.}":              dir + " is no regular file; write the path of one",
		"${file:/dev/null}":      "/dev/null is no regular file; write the path of one",
		"${file:plain}${env:A}":  "a secret is named here, never written out; write ${env:NAME} or ${file:PATH}",
		"${file:${env:A}/plain}": "a secret is named here, never written out; write ${env:NAME} or ${file:PATH}",
	} {
		s, err := r.Resolve(ref)
		if err == nil || err.Error() != want || !s.IsZero() {
			t.Errorf("%s:\ngot  %v\nwant %s", ref, err, want)
		}
	}
	if _, err := r.Resolve("${file:absent}"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an absent file is not fs.ErrNotExist")
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.json")
	read := func(text string) (*secret.File, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return secret.ReadFile(path)
	}
	f, err := read(`{"api_key":"k","wms":{"webhook_secret":["a","b"]},"erp":{"token":"t","webhook_secret":"w"}}`)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{f.APIKey.Reveal(), f.Systems["erp"].Token.Reveal(), f.Systems["erp"].WebhookSecrets[0].Reveal(), f.Systems["wms"].WebhookSecrets[1].Reveal()}
	if diff := cmp.Diff([]string{"k", "t", "w", "b"}, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"erp", "wms"}, f.Names()); diff != "" || f.Exposed {
		t.Errorf("names (-want +got):\n%s exposed %v", diff, f.Exposed)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if f, err := secret.ReadFile(path); err != nil || !f.Exposed {
		t.Errorf("a file that the group can read: exposed %v, %v", f != nil && f.Exposed, err)
	}
	for text, want := range map[string]string{
		``:                                  "not JSON at line 1, column 1",
		`[]`:                                `want a JSON object {"api_key":"…","<system>":{…}}`,
		`null`:                              `want a JSON object {"api_key":"…","<system>":{…}}`,
		"{\"api_key\":\n marked-s3cret}":    "not JSON at line 2, column 2",
		`{"api_key":"marked-s3cret"} x`:     "not JSON at line 1, column 29",
		`{"api_key":["marked-s3cret"]}`:     "api_key: want a text that is not empty",
		`{"erp":"marked-s3cret"}`:           `erp: want an object {"token":"…","webhook_secret":"…"}`,
		`{"erp":{"token":""}}`:              "erp: token: want a text that is not empty",
		`{"erp":{"webhook_secret":[]}}`:     "erp: webhook_secret: want a text, or a list of texts while the secret rotates",
		`{"erp":{"webhook_secret":[7]}}`:    "erp: webhook_secret: want a text that is not empty",
		`{"erp":{"secret":"marked-s3c"}}`:   `erp: unknown member "secret"; there are token and webhook_secret`,
		`{"erp":{},"erp":{"token":"mar"}}`:  "a name stands twice in one object at line 1, column 11; keep one",
		"{\"erp\":{\"token\":\"mar\xff\"}}": "not JSON at line 1, column 21",
	} {
		_, err := read(text)
		if err == nil || strings.TrimPrefix(err.Error(), path+": ") != want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
}
