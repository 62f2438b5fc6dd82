package sandbox

import (
	"net/http"
	"strconv"
)

// entityPage is how many records T6 gives at once.
const entityPage = 100

// entities serves the ERP's master data (T6). It has not changed since the
// world began, so that "since" asks for all of it.
func (e *erp) entities(w http.ResponseWriter, r *http.Request, what string) bool {
	items, kept := itemCount, itemCount // kits are kept as their parts
	if e.w.cfg.Whole {
		items, kept = len(catalogue), len(catalogue)-kitCount
	}
	var n int
	var one func(b []byte, i int) []byte
	switch what {
	case "items":
		n, one = items, func(b []byte, i int) []byte {
			b = append(appendField(b, "sku", catalogue[i].sku), `,"base_uom":"EA","uoms":[{"uom":"EA","ratio":"1"}`...)
			if catalogue[i].byCase {
				b = append(appendField(append(b, `,{`...), "uom", caseUnit), `,"ratio":"`...)
				b = append(strconv.AppendInt(b, perCase, 10), `"}`...)
			}
			b = append(b, `],"status":"active"`...)
			if catalogue[i].closed {
				b = append(b[:len(b)-len(`active"`)], `closed"`...)
			}
			if isKit(i) {
				b = catalogue[i].appendKit(b)
			}
			return b
		}
	case "customers":
		n, one = customerCount, func(b []byte, i int) []byte {
			e.mu.Lock()
			defer e.mu.Unlock()
			return appendCustomer(b, customerID(i), e.limit(i))
		}
	case "prices":
		n, one = items, func(b []byte, i int) []byte {
			b = appendField(b, "sku", catalogue[i].sku)
			b = appendField(append(b, ','), "price", priceTexts[i])
			return append(b, `,"currency":"USD","uom":"EA"`...)
		}
	case "inventory":
		n, one = kept, func(b []byte, i int) []byte {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.appendPosition(b, i)
		}
	case "warehouses":
		n, one = len(e.w.floors), func(b []byte, i int) []byte {
			b = appendField(b, "warehouse", sites[i].warehouse)
			return appendField(append(b, ','), "zone", "UTC")
		}
	default:
		return false
	}
	servePage(w, r, n, one)
	return true
}

// servePage writes a page of n records from the cursor on.
func servePage(w http.ResponseWriter, r *http.Request, n int, one func([]byte, int) []byte) {
	from := 0
	if s := r.URL.Query().Get("cursor"); s != "" {
		var err error
		if from, err = strconv.Atoi(s); err != nil || from < 0 {
			refused(w, malformed("cursor_malformed", "cursor=%q was not given by this system", s))
			return
		}
	}
	b := []byte(`{"items":[`)
	to := min(from+entityPage, n)
	for i := from; i < to; i++ {
		if i > from {
			b = append(b, ',')
		}
		b = append(one(append(b, '{'), i), '}')
	}
	b = append(b, `],"next":`...)
	if to < n {
		b = appendText(b, strconv.Itoa(to))
	} else {
		b = append(b, "null"...)
	}
	answer(w, http.StatusOK, append(b, '}'), "Content-Type", jsonType)
}

// entities: the warehouse is no system of record.
func (m *wms) entities(http.ResponseWriter, *http.Request, string) bool { return false }

// inBin is what can be picked of an item.
func (m *wms) inBin(item int) amount {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bins[item]
}
