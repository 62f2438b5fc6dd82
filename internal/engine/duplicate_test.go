package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
)

func (r *rig) placePO(order, customer, po string) {
	r.t.Helper()
	data := strings.Replace(orderData(order, 1, "5"), `"customer":"C1"`, fmt.Sprintf(`"customer":%q,"po":%q`, customer, po), 1)
	r.tell("shop", waybill.OrderPlaced, data)
	r.settle()
}

// One paper that came by two ways is one order until a person says otherwise.
func TestDuplicatePO(t *testing.T) {
	for _, hold := range []bool{true, false} {
		t.Run(fmt.Sprintf("hold=%t", hold), func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.opt.Policy.DuplicatePO = hold })
			r.settle()
			r.placePO("SO-1", "C1", "PO-7")
			r.placePO("SO-2", "C2", "PO-7") // another buyer's
			r.placePO("SO-3", "C1", "PO-7")
			r.placePO("SO-4", "C1", "PO-8")
			want := map[string]waybill.Status{"SO-1": waybill.StatusReleased, "SO-2": waybill.StatusReleased,
				"SO-3": waybill.StatusHeld, "SO-4": waybill.StatusReleased}
			if !hold {
				want["SO-3"] = waybill.StatusReleased
			}
			for order, status := range want {
				if got := r.orderStatus(order); got != status {
					t.Errorf("%s is %s, want %s", order, got, status)
				}
			}
			if hold {
				r.must(r.do(ToOrder, "SO-3", "release"))
				r.settle()
				if got := r.orderStatus("SO-3"); got != waybill.StatusReleased {
					t.Errorf("SO-3 is %s after its release", got)
				}
			}
			r.ship("SO-1", "S1", allLines)
			r.ship("SO-3", "S3", allLines)
			r.settle()
			r.placePO("SO-5", "C1", "PO-7") // nothing is open any more
			if got := r.orderStatus("SO-5"); got != waybill.StatusReleased {
				t.Errorf("SO-5 is %s, want released: the others are done", got)
			}
			r.audit()
		})
	}
	t.Run("at once", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.opt.Policy.DuplicatePO = true })
		r.settle()
		data := func(order string) string {
			return strings.Replace(orderData(order, 1, "5"), `"customer":"C1"`, `"customer":"C1","po":"PO-7"`, 1)
		}
		r.tellAll(fact{"shop", waybill.OrderPlaced, data("SO-1")}, fact{"shop", waybill.OrderPlaced, data("SO-2")})
		r.settle()
		if a, b := r.orderStatus("SO-1"), r.orderStatus("SO-2"); a != waybill.StatusReleased || b != waybill.StatusHeld {
			t.Errorf("they are %s and %s, want released and held", a, b)
		}
		r.audit()
	})
}
