package tower

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// unmappedDay is what waits for a mapping on the fake's day.
func unmappedDay() []Unmapped {
	return []Unmapped{
		{Key: "item//shop//B-100", Kind: "item", System: "shop", Value: "B-100", Detail: "item B-100 of shop (line 2) is not mapped", Waiting: 3,
			Orders: []string{"SO-104832", "SO-104833"}, Money: []string{"EUR 220.50"}, Since: noon.Add(-40 * time.Minute), Packs: true,
			Suggestions: []Suggestion{{"BOLT-100", "it has the same GTIN"}, {"B100", "it is written the same but for case and signs"}}},
		{Key: "carrier//wms//<b>DPD", Kind: "carrier", System: "wms", Value: "<b>DPD", Detail: "carrier <b>DPD of wms is not mapped", Waiting: 1, Since: noon.Add(-time.Hour)},
	}
}

func TestMapping_FormMapsOnceAndSaysWhatWasReleased(t *testing.T) {
	src := newFake()
	h := newHandler(src, nil)
	page := get(t, h, "/mapping").Body.String()
	for _, want := range []string{"2 references wait", `href="/orders/SO-104832"`, "it has the same GTIN", `value="BOLT-100"`, "&lt;b&gt;DPD", "EUR 220.50"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	form := url.Values{"key": {"item//shop//B-100"}, "canonical": {" BOLT-100 "}, "multiplier": {"12"}, "unit": {"EA"}, "reason": {"asked the shop"}}
	w := post(t, h, "/mapping", form)
	if w.Code != 303 || w.Header().Get("Location") != "/mapping?released=3" {
		t.Fatalf("status %d to %s", w.Code, w.Header().Get("Location"))
	}
	want := []Meaning{{Actor: anonymous, Key: "item//shop//B-100", Canonical: "BOLT-100", Multiplier: "12", Unit: "EA", Reason: "asked the shop"}}
	if d := cmp.Diff(want, src.meant); d != "" {
		t.Errorf("what was mapped (-want +got):\n%s", d)
	}
	if after := get(t, h, "/mapping?released=3").Body.String(); !strings.Contains(after, "Mapped: 3 orders and facts go on") {
		t.Error("the page does not say what was released")
	}
	for _, wrong := range []url.Values{{"key": {"k"}}, {"canonical": {"x"}}} {
		if w := post(t, h, "/mapping", wrong); w.Code != 400 {
			t.Errorf("%v: status %d, want 400", wrong, w.Code)
		}
	}
}

func TestMapping_NothingWaits(t *testing.T) {
	if page := get(t, newHandler(&fake{}, nil), "/mapping").Body.String(); !strings.Contains(page, "Everything that systems name is mapped") {
		t.Errorf("an empty page says %s", outline(page))
	}
}
