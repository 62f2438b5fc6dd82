package tryton

import (
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
)

// customer is a party as an order needs it.
type customer struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Active    flag   `json:"active"`
	Limit     number `json:"credit_limit_amount"` // null: none
	Credit    number `json:"credit_amount"`       // open and ordered, untaxed
	Term      int64  `json:"customer_payment_term"`
	PriceList int64  `json:"sale_price_list"`
	TaxRule   int64  `json:"customer_tax_rule"`
}

// customer reads the party behind a customer's code; nil: there is none.
func (w *work) customer() (*customer, error) {
	var found []customer
	err := w.find("party.party", all{is("code", w.t.Details.Customer), op("active", "in", all{true, false})},
		fields("name", "active", "credit_limit_amount", "credit_amount", "customer_payment_term", "sale_price_list", "customer_tax_rule"), &found)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// address is where a customer's goods or paper go.
type address struct {
	ID       int64  `json:"id"`
	Name     string `json:"party_name"`
	Street   string `json:"street"`
	Postal   string `json:"postal_code"`
	City     string `json:"city"`
	Invoice  flag   `json:"invoice"`
	Delivery flag   `json:"delivery"`
}

// addresses gives where the order is billed and shipped to. A ship-to that the
// party does not have yet becomes one of its addresses; it is looked for first,
// so another attempt adds no second one.
func (w *work) addresses(party int64) (bill, ship int64, err error) {
	var known []address
	err = w.find("party.address", all{is("party", party)}, fields("party_name", "street", "postal_code", "city", "invoice", "delivery"), &known)
	if err != nil {
		return 0, 0, err
	}
	if len(known) == 0 {
		return 0, 0, refusal("no_address", "", "customer %s has no address in Tryton: give it one for invoices", w.t.Details.Customer)
	}
	pick := func(good func(*address) flag) int64 {
		i := slices.IndexFunc(known, func(a address) bool { return bool(good(&a)) })
		return known[max(i, 0)].ID
	}
	bill = pick(func(a *address) flag { return a.Invoice })
	to := w.t.Details.ShipTo
	if to == nil || to.Freeform != nil || len(to.Lines) == 0 && to.City == "" {
		return bill, pick(func(a *address) flag { return a.Delivery }), nil
	}
	want := address{Name: firstOf(to.Company, to.Name), Street: strings.Join(to.Lines, "\n"), Postal: to.Postal, City: to.City}
	for _, a := range known {
		if a.Street == want.Street && a.Postal == want.Postal && a.City == want.City && (a.Name == want.Name || a.Name == "") {
			return bill, a.ID, nil
		}
	}
	values := map[string]any{"party": party, "party_name": want.Name, "street": want.Street,
		"postal_code": want.Postal, "city": want.City, "delivery": true}
	if to.Country != "" {
		var countries []row
		if err := w.find("country.country", all{is("code", to.Country)}, fields("id"), &countries); err != nil {
			return 0, 0, err
		}
		if len(countries) > 0 {
			values["country"] = countries[0].ID
		}
	}
	made, err := w.make("party.address", values)
	if err != nil || len(made) != 1 {
		return 0, 0, err
	}
	return bill, made[0], nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// currency gives the id of a currency's code.
func (w *work) currency(code string) (int64, error) {
	var found []row
	if err := w.find("currency.currency", all{is("code", code)}, fields("id"), &found); err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, refusal("unknown_currency", "", "Tryton has no currency %s: create it there", code)
	}
	return found[0].ID, nil
}

// depot is a warehouse with the places that its moves begin and end at.
type depot struct {
	ID      int64 `json:"id"`
	Storage int64 `json:"storage_location"`
	Lost    int64 `json:"lost_found_location"`
}

func (w *work) depot(code string) (*depot, error) {
	var found []depot
	err := w.find("stock.location", all{is("code", code), is("type", "warehouse")}, fields("storage_location", "lost_found_location"), &found)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusal("unknown_warehouse", "", "Tryton has no warehouse %s: correct its code there or in the configuration", code)
	}
	return &found[0], nil
}

// article is a product as a line needs it.
type article struct {
	ID       int64  `json:"id"`
	Code     string `json:"code"`
	Active   flag   `json:"active"`
	Salable  flag   `json:"salable"`
	Type     string `json:"type"`
	List     number `json:"list_price"` // for one of Unit, untaxed
	Unit     int64  `json:"default_uom"`
	UnitInfo *unit  `json:"default_uom."`
	Category struct {
		Taxes   []int64 `json:"customer_taxes"`
		Revenue int64   `json:"account_revenue"`
	} `json:"account_category."`
}

// unit is a unit of measure: Factor of it make one of its category's reference.
type unit struct {
	ID       int64  `json:"id"`
	Symbol   string `json:"symbol"`
	Factor   number `json:"factor"`
	Rate     number `json:"rate"`
	Digits   int    `json:"digits"`
	Category int64  `json:"category"`
}

// size is how many of the category's reference one of the unit holds. Tryton
// keeps that twice, once rounded; the one that is whole is the exact one.
func (u *unit) size() waybill.Decimal {
	one := waybill.NewDecimal(1)
	if u.Rate.Sign() > 0 && u.Rate.Equal(u.Rate.Round(0)) && !u.Factor.Equal(u.Factor.Round(0)) {
		return one.Quo(u.Rate.Decimal)
	}
	if u.Factor.Sign() <= 0 {
		return one
	}
	return u.Factor.Decimal
}

var articleFields = fields("code", "active", "salable", "type", "list_price", "default_uom",
	"default_uom.symbol", "default_uom.factor", "default_uom.rate", "default_uom.digits", "default_uom.category",
	"account_category.customer_taxes", "account_category.account_revenue")

// articles reads the products behind the task's lines, by code.
func (w *work) articles(codes []string) (map[string]*article, error) {
	var found []article
	err := w.find("product.product", all{op("code", "in", codes), op("active", "in", all{true, false})}, articleFields, &found)
	if err != nil {
		return nil, err
	}
	by := make(map[string]*article, len(found))
	for i := range found {
		by[found[i].Code] = &found[i]
	}
	return by, nil
}

// usual are Tryton's symbols of units by the codes of UN/ECE Recommendation 20
// and by what systems write for them.
var usual = map[string]string{"": "u", "EA": "u", "C62": "u", "H87": "u", "PCE": "u", "PC": "u", "PCS": "u",
	"KGM": "kg", "KG": "kg", "GRM": "g", "LBR": "lb", "ONZ": "oz", "MTR": "m", "CMT": "cm", "FOT": "ft", "INH": "in",
	"LTR": "l", "GLL": "gal", "MTQ": "m³", "MTK": "m²", "HUR": "h", "DAY": "d"}

// symbol is Tryton's symbol of a unit.
func (e *erp) symbol(uom string) string {
	if s, ok := e.units[uom]; ok {
		return s
	}
	if s, ok := usual[uom]; ok {
		return s
	}
	return uom
}

// unitOf finds the unit of a line for a product. An empty one is the product's.
func (w *work) unitOf(a *article, uom, line string) (*unit, error) {
	base := a.UnitInfo
	base.ID = a.Unit
	if uom == "" || w.symbol(uom) == base.Symbol {
		return base, nil
	}
	var found []unit
	err := w.find("product.uom", all{is("symbol", w.symbol(uom)), is("category", base.Category)},
		fields("symbol", "factor", "rate", "digits", "category"), &found)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusal("unknown_unit", line, "Tryton sells %s in no unit %s: create it in the category of %s, or map it in the setting units", a.Code, uom, base.Symbol)
	}
	return &found[0], nil
}

// fits refuses a quantity that is finer than its unit.
func fits(qty waybill.Decimal, u *unit, line string) error {
	if qty.Equal(qty.Round(u.Digits)) {
		return nil
	}
	return refusal("quantity_digits", line, "line %s: %s has %d places in Tryton and the quantity is %s", line, u.Symbol, u.Digits, qty)
}
