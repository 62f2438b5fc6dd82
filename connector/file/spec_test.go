package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/file"
)

// What is wrong in a spec is told all at once, with line, key and what to do.
func TestSpec_SaysWhatIsWrong(t *testing.T) {
	for name, spec := range map[string]string{
		"unknown key": "version: 1\nin:\n  a: {evnt: order.placed}\n",
		"nothing":     "version: 1\n",
		"in": `version: 2
zone: Berlin
format: {type: xml, encoding: ebcdic, decimal: ",", thousands: ","}
in:
  a:
    event: order.paid
    files: "["
    same: size
    on_error: ignore
    every: 1ms
    done: a
    folder: a
    lines: {qty: {column: Q, as: number}, x.y: {column: A, value: B}}
    totals: {trailer: END, columns: true, rows: x}
`,
		"out": `version: 1
without_file: [order_check, nothing]
out:
  b:
    kinds: [order_check, invoice]
    file: B.csv
    every: 15m
    at: "22:30"
    settled: later
    columns:
      - {name: No, field: order, value: x}
      - {name: No, field: line.qty, as: money}
    trailer: ["{sum:Qty}"]
`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "spec.yaml")
			if err := os.WriteFile(path, []byte(spec), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := file.Manifest().Open(connector.Env{System: "s", Role: waybill.RoleERP, Settings: map[string]string{"spec": path}, Observe: true})
			if err == nil {
				t.Fatal("it was taken")
			}
			got := strings.ReplaceAll(err.Error(), dir+"/", "")
			golden := filepath.Join("testdata/spec", strings.ReplaceAll(name, " ", "-")+".txt")
			if connectortest.Updating() {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got+"\n"); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}
