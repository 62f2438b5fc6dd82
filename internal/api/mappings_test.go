package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func marketOrder(n int) string {
	return fmt.Sprintf(`{"order":"%d","version":1,"customer":"C1","currency":"EUR","ship_to":{"name":"Example Hardware"},
		"lines":[{"line":"1","sku":"M-100","qty":"2","uom":"CS","price":"24.00"}]}`, n)
}

// Orders that name an unknown item are shown as held, with the line, and found
// among what is unmapped with what it may mean; one mapping brings all of them
// on their way.
func TestMappings_OneReleasesAll(t *testing.T) {
	w := newWorld(t)
	w.push("erp", "item.changed", `{"sku":"M100","base_uom":"EA","gtin":"04012345678901"}`)
	w.push("market", "order.placed", strings.Replace(marketOrder(9), `"sku":"M-100"`, `"sku":"Z","gtin":"04012345678901"`, 1))
	w.rest()
	if twin := w.list("/api/v1/mappings/unmapped"); len(twin) != 1 || !strings.Contains(fmt.Sprint(twin[0]["suggestions"]), "canonical:M100 why:it has the same GTIN") {
		t.Errorf("an order by GTIN: %v", twin)
	}
	w.tell("/api/v1/mappings", `{"kind":"gtin","value":"04012345678901","canonical":"M100"}`, 200)
	for n := 1; n <= 3; n++ {
		w.push("market", "order.placed", marketOrder(n))
	}
	w.rest()
	held := decode[map[string]any](t, w.get("/api/v1/orders/mk~.1", 200))
	if held["status"] != "held" || !strings.Contains(fmt.Sprint(held["holds"]), "item M-100 of market (line 1) is not mapped") {
		t.Errorf("the order is shown as %v", held)
	}
	waiting := w.list("/api/v1/mappings/unmapped")
	if len(waiting) != 1 || waiting[0]["waiting"] != 3.0 || waiting[0]["value"] != "M-100" ||
		!strings.Contains(fmt.Sprint(waiting[0]["suggestions"]), "canonical:M100 why:it is written the same") {
		t.Fatalf("unmapped: %v", waiting)
	}
	if money := fmt.Sprint(waiting[0]["money"]); !strings.Contains(money, "144") {
		t.Errorf("held up: %s", money)
	}
	for body, code := range map[string]string{
		`{"kind":"item","system":"market","value":"M-100"}`:                                     "invalid",
		`{"kind":"thing","system":"market","value":"M-100","canonical":"M100"}`:                 "invalid",
		`{"kind":"item","system":"market","value":"M-100","canonical":"M100","multiplier":"6"}`: "invalid",
	} {
		if b := w.tell("/api/v1/mappings", body, 400); !strings.Contains(string(b), code) {
			t.Errorf("%s: %s", body, b)
		}
	}
	out := decode[map[string]any](t, w.tell("/api/v1/mappings",
		`{"kind":"item","system":"market","value":"M-100","canonical":"M100","multiplier":"12","unit":"EA","reason":"asked them"}`, 200))
	if got := fmt.Sprint(out["orders"]); got != "[mk~.1 mk~.2 mk~.3]" {
		t.Errorf("released %s", got)
	}
	w.rest()
	line := decode[map[string]any](t, w.get("/api/v1/orders/mk~.3", 200))["lines"].([]any)[0].(map[string]any)
	if line["sku"] != "M100" || line["ordered"] != "24" || line["base_uom"] != "EA" {
		t.Errorf("the line is %v", line)
	}
	if b := w.tell("/api/v1/mappings", `{"kind":"item","system":"market","value":"M-100","canonical":"OTHER"}`, 409); !strings.Contains(string(b), "means M100 (12 EA) already") {
		t.Errorf("a second meaning: %s", b)
	}
	if log := fmt.Sprint(w.list("/api/v1/audit")); !strings.Contains(log, "asked them") || !strings.Contains(log, "item M-100 of market") {
		t.Errorf("the audit log has %s", log)
	}
}

// A sheet that is exported and brought in again changes nothing; one with a bad
// line changes nothing either, and says which.
func TestMappings_SheetRoundTrip(t *testing.T) {
	w := newWorld(t)
	csv := map[string]string{"Content-Type": "text/csv"}
	sheet := "kind,company,system,scope,value,valid_from,canonical,multiplier,unit\n" +
		"item,,market,,M-100,,M100,12,EA\nbuyer_part,01,market,C1,\"B,1\",2026-02-01,M100,,\ncarrier,,wms,,UPSN/GND,,UPS/GROUND,,\n"
	send := func(query, body string) map[string]any {
		t.Helper()
		res, b := w.do("POST", "/api/v1/mappings/import"+query, "operator", body, csv)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", res.Status, b)
		}
		return decode[map[string]any](t, b)
	}
	effects := func(v map[string]any) (out []string) {
		for _, l := range v["lines"].([]any) {
			out = append(out, l.(map[string]any)["effect"].(string))
		}
		return out
	}
	if d := cmp.Diff([]string{"map", "map", "map"}, effects(send("?dry_run=true", sheet))); d != "" {
		t.Error(d)
	}
	if n := len(w.list("/api/v1/mappings")); n != 0 {
		t.Errorf("a dry run made %d mappings", n)
	}
	bad := sheet + "item,,market,,M-100,,ANOTHER,,\nitem,,market,,X,,Y,0,EA\n"
	if v := send("", bad); v["refused"] != 2.0 || len(w.list("/api/v1/mappings")) != 0 {
		t.Errorf("a sheet with bad lines: %v", v)
	}
	send("?reason=start", sheet)
	if got := string(w.get("/api/v1/mappings/export", 200)); got != sheet {
		t.Errorf("exported:\n%s\nwant:\n%s", got, sheet)
	}
	if d := cmp.Diff([]string{"known", "known", "known"}, effects(send("", sheet))); d != "" {
		t.Error(d)
	}
	first := w.list("/api/v1/mappings?kind=item&system=market")
	if len(first) != 1 || first[0]["multiplier"] != "12" {
		t.Fatalf("the item's mapping: %v", first)
	}
	id := first[0]["id"].(string)
	for _, want := range []int{200, 404} {
		if res, b := w.do("DELETE", "/api/v1/mappings/"+id+"?reason=wrong", "operator", "", nil); res.StatusCode != want {
			t.Errorf("remove it: %s: %s", res.Status, b)
		}
	}
	if res, _ := w.do("POST", "/api/v1/mappings/import", "viewer", sheet, csv); res.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer imported: %s", res.Status)
	}
	if res, _ := w.do("POST", "/api/v1/mappings/import", "operator", sheet, nil); res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a sheet sent as JSON: %s", res.Status)
	}
}
