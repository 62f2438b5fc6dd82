package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// The world's size.
const (
	itemCount     = 200
	customerCount = 500
)

// item is one article of the sandbox's catalogue; the ERP's price is the
// storefront's.
type item struct {
	sku, title string
	price      amount
	grams      int
	product    int64
	variant    int64
}

// catalogue lists the items; bySKU finds them.
var (
	catalogue = makeCatalogue()
	bySKU     = func() map[string]int {
		m := make(map[string]int, itemCount)
		for i := range catalogue {
			m[catalogue[i].sku] = i
		}
		return m
	}()
)

// makeCatalogue builds the same items in every world.
func makeCatalogue() []item {
	things := []string{"Hex bolt", "Wood screw", "Ball valve", "Pipe clamp", "Cable tie", "Work glove", "LED panel", "Hinge", "Spirit level", "Sanding disc"}
	sizes := []string{"S", "M", "L", "XL", "6 mm", "8 mm", "10 mm", "12 mm", "16 mm", "20 mm", "25 mm", "32 mm", "40 mm", "50 mm", "63 mm", "80 mm", "100 mm", "125 mm", "160 mm", "200 mm"}
	out := make([]item, 0, itemCount)
	for i := range itemCount {
		thing, size := things[i%len(things)], sizes[i/len(things)]
		out = append(out, item{
			sku: fmt.Sprintf("EX-%04d", 1000+i), title: thing + " " + size, price: cents(149 + i*i%4987),
			grams: 20 + i*13%900, product: 8_000_000_000_000 + int64(i/4)*64, variant: 9_000_000_000_000 + int64(i)*64,
		})
	}
	return out
}

// Shopify's ids share one number space per type and pass 2^32; the sandbox
// gives every order a block of 64 in each, so that any id names its order.
const (
	orderIDs           = 5_000_000_000_000
	fulfillmentIDs     = 4_000_000_000_000
	fulfillmentOrdIDs  = 6_000_000_000_000
	customerIDs        = 7_000_000_000_000
	lineIDs            = 12_000_000_000_000
	fulfillmentLineIDs = 13_000_000_000_000
	idBlock            = 64
	firstNumber        = 1001
)

// idOf gives the id of the part n of the object at index.
func idOf(space int64, index, n int) int64 { return space + int64(index)*idBlock + int64(n) }

// indexOf takes an id apart; false when it is none of that space.
func indexOf(space, id int64) (index, n int, ok bool) {
	if id < space || id >= space+1_000_000_000_000 {
		return 0, 0, false
	}
	return int((id - space) / idBlock), int((id - space) % idBlock), true
}

// customerID is a customer's id in the storefront and in the ERP.
func customerID(customer int) string { return strconv.FormatInt(idOf(customerIDs, customer, 0), 10) }

// customerOf reads a customer's id; false when it is none of the sandbox's.
func customerOf(id string) (int, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, "gid://shopify/Customer/"), 10, 64)
	if err != nil {
		return 0, false
	}
	i, _, ok := indexOf(customerIDs, n)
	return i, ok && i < customerCount
}

// creditLimit is what the ERP grants a customer to begin with.
func creditLimit(customer int) amount { return pieces(5_000 + 500*(customer%20)) }

// orderIndex finds the storefront's order behind the reference that Waybill
// uses: the channel's own number (its id, its number, its name or its global
// id) behind the channel's prefix, with ~XX for bytes that ids may not hold
// (system contract G4). False when it is no order of the storefront.
func orderIndex(ref string) (int, bool) {
	if strings.HasPrefix(ref, "api~.") {
		return 0, false
	}
	if i := strings.LastIndex(ref, "~."); i >= 0 {
		ref = ref[i+2:]
	}
	ref = unescapeRef(ref)
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "gid://shopify/Order/"), "#")
	n, err := strconv.ParseInt(ref, 10, 64)
	if err != nil {
		return 0, false
	}
	if n >= orderIDs {
		i, part, ok := indexOf(orderIDs, n)
		return i, ok && part == 0
	}
	return int(n) - firstNumber, n >= firstNumber
}

// unescapeRef undoes ~XX.
func unescapeRef(s string) string {
	if !strings.Contains(s, "~") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
