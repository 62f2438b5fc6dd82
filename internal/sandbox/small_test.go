package sandbox

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSign_ContractsTestVector(t *testing.T) {
	key, err := standardSecret("whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI=")
	if err != nil {
		t.Fatal(err)
	}
	body := `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","version":1}}`
	if got := standardSignature(key, "evt_0001", "1767323045", []byte(body)); got != "v1,YKfnXcvGXEF/hz143Wpr5Dj7S98IO4Xy5BBtZtnQk0U=" {
		t.Errorf("signature %s", got)
	}
}

func TestPackageCode_HasACheckDigit(t *testing.T) {
	// 106141412345678908 is GS1's own example of an SSCC
	if got := checkDigit("10614141234567890"); got != '8' {
		t.Errorf("check digit %c, want 8", got)
	}
	if got := packageCode(12); len(got) != 18 {
		t.Errorf("SSCC %s has %d digits, want 18", got, len(got))
	}
}

func TestAmount(t *testing.T) {
	for in, want := range map[string]string{"5": "5", "5.50": "5.5", "-0.000001": "-0.000001", "0": "0", "999999999999.999999": "999999999999.999999"} {
		a, err := parseAmount(in)
		if err != nil || a.String() != want {
			t.Errorf("%s: %s, %v, want %s", in, a, err, want)
		}
	}
	for _, in := range []string{"", "-", ".5", "5.", "1e3", "+1", "1.0000001", "1234567890123", "1,5", " 1"} {
		if a, err := parseAmount(in); err == nil {
			t.Errorf("%q was read as %s", in, a)
		}
	}
	a, _ := parseAmount("2.345")
	if got := a.times(pieces(3)); got.String() != "7.035" || got.money() != "7.04" {
		t.Errorf("2.345 × 3 is %s, as money %s", got, got.money())
	}
}

func TestFate_IsDrawnFromSeedAndIndex(t *testing.T) {
	shares := map[Fate]int{}
	for i := range 5000 {
		p := planFor(7, i, 4, false)
		if diff := cmp.Diff(p, planFor(7, i, 4, false), cmp.AllowUnexported(plan{}, planLine{}, comeback{})); diff != "" {
			t.Fatalf("order %d was drawn twice (-first +second):\n%s", i, diff)
		}
		shares[p.fate]++
		checkPlan(t, p)
	}
	for _, s := range fateShares {
		if got, want := shares[s.fate], s.share*5; got < want/2 || got > want*2 {
			t.Errorf("fate %s came %d times in 5000, its share is %d in 1000", s.fate, got, s.share)
		}
	}
	other := map[Fate]int{}
	for i := range 5000 {
		other[planFor(8, i, 4, false).fate]++
	}
	if maps.Equal(shares, other) {
		t.Error("two seeds gave the same fates")
	}
}

// checkPlan checks that a plan can be brought about.
func checkPlan(t *testing.T, p plan) {
	t.Helper()
	items := map[int]bool{}
	for _, l := range p.lines {
		if l.ordered < 1 || l.edited < 1 || l.ships < 0 || items[l.item] {
			t.Errorf("order %d (%s): line %+v", p.index, p.fate, l)
		}
		items[l.item] = true
	}
	first := p.lines[0]
	switch p.fate {
	case Parts:
		if first.ordered < p.parts || p.parts < 2 {
			t.Errorf("order %d: %d pieces in %d parts", p.index, first.ordered, p.parts)
		}
	case ShortShipped:
		if first.ships < 1 || first.ships >= first.ordered {
			t.Errorf("order %d: %d of %d ship short", p.index, first.ships, first.ordered)
		}
	case ChangedEarly, ChangedLate:
		if first.edited == first.ordered {
			t.Errorf("order %d: the edit changes nothing", p.index)
		}
	case ChangeTooLate:
		if first.edited <= first.ordered || first.ships != first.ordered {
			t.Errorf("order %d: %+v", p.index, first)
		}
	}
}

func TestOrderIndex_UnderstandsEveryNumberOfAnOrder(t *testing.T) {
	for _, ref := range []string{"1004", "~231004", "shop~.1004", "shop~.~231004", "5000000000192", "web~.5000000000192"} {
		if i, ok := orderIndex(ref); !ok || i != 3 {
			t.Errorf("%s: %d, %t, want 3", ref, i, ok)
		}
	}
	for _, ref := range []string{"SO-1", "api~.1004", "1000", "5000000000193", "", "~~item~A"} {
		if i, ok := orderIndex(ref); ok {
			t.Errorf("%q is taken for order %d", ref, i)
		}
	}
}

func TestSplit_KeepsEveryPiece(t *testing.T) {
	lines := []entryLine{{"1", "A", pieces(5)}, {"2", "B", pieces(1)}, {"3", "C", 2_500_000}}
	for n := 1; n <= 8; n++ {
		sums := map[string]amount{}
		parts := split(lines, n)
		for _, p := range parts {
			if len(p) == 0 {
				t.Errorf("an empty part of %d", n)
			}
			for _, l := range p {
				sums[l.line] += l.qty
			}
		}
		if len(parts) != min(n, 5) || sums["1"] != pieces(5) || sums["2"] != pieces(1) || sums["3"] != 2_500_000 {
			t.Errorf("%d parts: %v", n, parts)
		}
	}
}
