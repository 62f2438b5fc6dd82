package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/ownership"
)

// Ownership is read with its default, and becomes a matrix. What is wrong in it
// is in testdata/broken.
func TestOwnership(t *testing.T) {
	environment(t)
	c := load(t, complete(`ownership:
  - {entity: item, owner: erp}
  - {entity: item, field: /description, owner: shop, others: propose}
  - {entity: "*", owner: erp, others: accept}
`))
	want := []ownership.Rule{
		{Entity: ownership.Item, Owner: "erp", Others: ownership.Refuse},
		{Entity: ownership.Item, Field: "/description", Owner: "shop", Others: ownership.Propose},
		{Entity: ownership.Any, Owner: "erp", Others: ownership.Accept},
	}
	if diff := cmp.Diff(want, c.Ownership); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	m, err := c.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := m.Of(ownership.Item, "/description/de"); !ok || r.Owner != "shop" {
		t.Errorf("/description/de is %s's, want shop's", r.Owner)
	}
	if m, err := load(t, complete("")).Matrix(); m != nil || err != nil {
		t.Errorf("without rules: %v, %v", m, err)
	}
}
