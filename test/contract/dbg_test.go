package contract_test
import "testing"
import "fmt"
func TestDbg2(t *testing.T) {
	w := newWorld(t)
	w.unquiet=true
	for n := range 300 {
		o := fmt.Sprintf("SO-%d", n)
		w.place(o, "1 A 5 9.90")
		var s obj
		for s = w.status(); s["quiescent"] != true; s = w.status() {}
		if w.wms.kinds(o) != "warehouse_order" || w.order(o)["status"] != "released" {
			t.Errorf("%s: %s %s %v", o, marshal(s), w.erp.kinds(o), w.order(o)["status"])
		}
	}
}
