// Package tryton connects a Tryton server as an ERP, over the JSON-RPC of its
// own clients. It was written against Tryton 6.0 and needs the modules sale,
// sale_amendment, sale_credit_limit, stock and account_invoice_stock; lots,
// carriers and price lists are used where their modules are there.
//
// Nothing in Tryton is unique and a button that does not apply answers success.
// So every document carries Waybill's key in a field that Tryton keeps and can
// search ([mark]); each attempt looks for it first and goes on from the step
// that it finds; and the state is read after each transition. A claim on the
// key (claim.go) keeps two workers from taking the same steps at once.
//
// A rendered document (render.go) is a task in Waybill's words; which calls it
// takes depends on what the books hold already (sale.go, change.go, ship.go,
// bill.go, pay.go, giveback.go, stock.go).
package tryton

import (
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Manifest describes a Tryton database. Its address (with the database at the
// end) and the user's password are keys of every system.
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:    "tryton",
		Title:   "Tryton",
		Summary: "A Tryton ERP: orders, shipments, invoices, payments and returns posted by JSON-RPC.",
		Roles:   []waybill.Role{waybill.RoleERP},
		Accepts: []waybill.Kind{waybill.OrderCheck, waybill.SalesOrder, waybill.SalesOrderChange, waybill.SalesOrderCancel,
			waybill.ShipmentPosting, waybill.ShipmentReversal, waybill.Invoice, waybill.PaymentReceipt,
			waybill.ReturnOrder, waybill.CreditMemo, waybill.InventoryAdjustment},
		Idempotency: waybill.ByLookup,
		Settings: []connector.Setting{
			{Name: "user", Default: "waybill", Doc: "Login of the user that Waybill posts as; its password is the system's token."},
			{Name: "warehouse", Default: "WH", Doc: "Code of the warehouse that orders ship from and returns come back to."},
			{Name: "payment_method", Doc: "Name of the payment method that payment receipts are booked with; needed only where payments are captured."},
			{Name: "charge_products", Doc: "Codes of the service products that charges are invoiced as, by the charge's code: freight=FREIGHT, *=FEES. * stands for all others."},
			{Name: "units", Doc: "Tryton's symbols of units beside the usual ones, by Waybill's: CS=cs12, PAL=pallet."},
			{Name: "tax_tolerance", Default: "0.05", Doc: "How far the tax that Tryton computes for an invoice may be from the document's before the invoice is refused. Documents without tax are not compared."},
			{Name: "acknowledge", Default: "shipment_out_no_carrier", Doc: "Warnings that are acknowledged by themselves: beginnings of their names, with commas between."},
		},
		Open: open,
	}
}

// erp is one configured Tryton database. It is safe for concurrent use.
type erp struct {
	env       connector.Env
	url       string
	user      string
	warehouse string
	method    string // of payments
	charges   map[string]string
	units     map[string]string
	tolerance waybill.Decimal
	ack       []string

	mu      sync.Mutex
	session *session
	refused int       // logins in a row
	barred  time.Time // no login before
}

func open(env connector.Env) (connector.Connector, error) {
	e := &erp{env: env, user: setting(env, "user", "waybill"),
		warehouse: setting(env, "warehouse", "WH"), method: env.Settings["payment_method"]}
	var err error
	if e.charges, err = pairs(env, "charge_products"); err != nil {
		return connector.Connector{}, err
	}
	if e.units, err = pairs(env, "units"); err != nil {
		return connector.Connector{}, err
	}
	tolerance := setting(env, "tax_tolerance", "0.05")
	if e.tolerance, err = waybill.ParseDecimal(tolerance); err != nil || e.tolerance.Sign() < 0 {
		return connector.Connector{}, settingError(env, "tax_tolerance", tolerance, "write an amount like 0.05")
	}
	for name := range strings.SplitSeq(setting(env, "acknowledge", "shipment_out_no_carrier"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			e.ack = append(e.ack, name)
		}
	}
	c := connector.Connector{Renderer: e}
	if env.BaseURL == "" || env.Observe {
		return c, nil
	}
	base, err := url.Parse(env.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil {
		return connector.Connector{}, settingError(env, "base_url", env.BaseURL, "write the server's address and the database, like https://erp.example.com/books/")
	}
	if env.Client == nil || env.Now == nil {
		return connector.Connector{}, settingError(env, "base_url", env.BaseURL, "give an HTTP client and a clock with it")
	}
	if base.Path = strings.TrimRight(base.Path, "/") + "/"; base.RawQuery != "" || base.Fragment != "" {
		return connector.Connector{}, settingError(env, "base_url", env.BaseURL, "take the part after ? or # off")
	}
	e.url = base.String()
	c.Deliverer, c.Inquirer, c.Prober = e, e, e
	return c, nil
}

func setting(env connector.Env, name, otherwise string) string {
	if v := strings.TrimSpace(env.Settings[name]); v != "" {
		return v
	}
	return otherwise
}

// pairs reads "a=b, c=d".
func pairs(env connector.Env, name string) (map[string]string, error) {
	out := map[string]string{}
	for part := range strings.SplitSeq(env.Settings[name], ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		if k, v = strings.TrimSpace(k), strings.TrimSpace(v); !ok || k == "" || v == "" {
			return nil, settingError(env, name, part, "write pairs like CS=cs12 with commas between")
		}
		out[k] = v
	}
	return out, nil
}

func settingError(env connector.Env, name, value, fix string) error {
	return &waybill.Error{Code: "bad_setting", Field: name,
		Detail: "system " + env.System + ": " + strconv.Quote(value) + " cannot be used", Fix: fix}
}
