package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The world's size.
const (
	itemCount     = 200 // of the storefront
	tradeCount    = 48  // further ones, of the portal
	customerCount = 500
)

// The portal's items come in cases, and in three equal parts: kept in the first
// warehouse, kept in the second, and bought for the order (by the first).
const (
	tradePart = tradeCount / 3
	perCase   = 12
	caseUnit  = "CS"
)

// item is one article of the sandbox's catalogue; the ERP's price is the
// storefront's.
type item struct {
	sku, title string
	price      amount
	grams      int
	byCase     bool // sold by the case too
	site       int  // the warehouse that keeps it, by its place in sites
	opening    amount
	parts      []part // of a kit
	closed     bool   // for sales
	product    int64
	variant    int64
}

// sites are the warehouses: the system, and what it is called where stock is
// spoken of.
var sites = [...]struct{ system, warehouse string }{{"wms", "W1"}, {"wms2", "W2"}}

// openingStock is what a warehouse holds of an item when the world begins: more
// than any run takes, so that no order takes another's goods.
const openingStock = 1_000_000

// catalogue lists the items, those of the storefront first, kits last; bySKU
// finds them.
var (
	catalogue = slices.Concat(makeCatalogue(), makeTradeItems(), []item{closed}, makeKits())
	bySKU     = func() map[string]int {
		m := make(map[string]int, len(catalogue))
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
			grams: 20 + i*13%900, opening: pieces(openingStock), product: 8_000_000_000_000 + int64(i/4)*64, variant: 9_000_000_000_000 + int64(i)*64,
		})
	}
	return out
}

// makeTradeItems builds the portal's items.
func makeTradeItems() []item {
	things := []string{"Packing tape", "Stretch film", "Rivet", "Grease cartridge"}
	out := make([]item, 0, tradeCount)
	for i := range tradeCount {
		it := item{sku: fmt.Sprintf("%s%03d", [...]string{"TR-1", DepotItems, "TR-3"}[i/tradePart], i%tradePart),
			title: things[i%len(things)], price: cents(235 + i*37), byCase: true, grams: 250, opening: pieces(openingStock)}
		switch i / tradePart {
		case 1:
			it.site = 1
		case 2:
			it.opening = 0
		}
		out = append(out, it)
	}
	return out
}

// closed is an item that is sold no more; no customer of the sandbox orders it.
var closed = item{sku: ClosedItem, title: "Hinge, old pattern", price: cents(490), grams: 80, closed: true}

// ClosedItem is the number of an item that the ERP has closed for sales.
const ClosedItem = "EX-OLD"

// DepotItems begins the numbers of what the second warehouse keeps: what an
// installation routes by.
const DepotItems = "TR-2"

// boughtItem says whether an item is bought for the order that asks for it.
func boughtItem(i int) bool { return i >= itemCount+2*tradePart && i < itemCount+tradeCount }

// ratioOf is how many base units are in one of a unit of an item; 0 where the
// item has no such unit. What is not in the catalogue is counted as it comes.
func ratioOf(i int, uom string) amount {
	switch {
	case uom == "" || uom == "EA" || i < 0:
		return 1
	case uom == caseUnit && catalogue[i].byCase:
		return perCase
	}
	return 0
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
	refundIDs          = 14_000_000_000_000
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
