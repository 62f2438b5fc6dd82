package edi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// Defaults and limits of a partner's file.
const (
	specVersion    = 1
	everyMin       = time.Second
	everyDefault   = 30 * time.Second
	stableDefault  = 10 * time.Second
	fileMaxDefault = 10 << 20
	withinDefault  = 24 * time.Hour
	noticeDefault  = time.Hour
	nameDefault    = "{set}_{control}.x12"
)

// specBody is a partner's file as it is written.
type specBody struct {
	Version    int      `yaml:"version"`
	Us         idBody   `yaml:"us"`
	Partner    idBody   `yaml:"partner"`
	X12        string   `yaml:"x12"`
	Usage      string   `yaml:"usage"`
	Send       []string `yaml:"send"`
	Receive    []string `yaml:"receive"`
	Versions   []string `yaml:"versions"`
	Delimiters string   `yaml:"delimiters"`
	LineEnds   bool     `yaml:"line_ends"`
	Charset    string   `yaml:"charset"`
	Text       string   `yaml:"text"`
	Upper      bool     `yaml:"upper"`
	Zone       string   `yaml:"zone"`
	Currency   string   `yaml:"currency"`
	Customer   string   `yaml:"customer"`
	Warehouse  string   `yaml:"warehouse"`

	Duplicates string            `yaml:"duplicates"`
	Strict     map[string]string `yaml:"strict"`
	Overlay    []string          `yaml:"overlay"`
	Units      map[string]string `yaml:"units"`
	States     map[string]string `yaml:"states"`
	Items      []string          `yaml:"items"`
	BuyerItems []string          `yaml:"buyer_items"`
	Final      string            `yaml:"final"`

	Acknowledge ackBody       `yaml:"acknowledge"`
	Notice      noticeBody    `yaml:"ship_notice"`
	Window      time.Duration `yaml:"window"`
	KeepsOrder  *bool         `yaml:"keeps_order"`
	In          inBody        `yaml:"in"`
	Out         outBody       `yaml:"out"`
}

type idBody struct {
	ID    string   `yaml:"id"`    // qualifier/id at ISA level
	Also  []string `yaml:"also"`  // further ids that are read
	Group string   `yaml:"group"` // at GS level, where it differs
}

type ackBody struct {
	Send   string         `yaml:"send"`   // 997, 999, none
	TA1    string         `yaml:"ta1"`    // on error, always, never
	Await  *bool          `yaml:"await"`  // what we send is acknowledged
	Within *time.Duration `yaml:"within"` // and late after this time
	Settle string         `yaml:"settle"` // acknowledgment, shipment
	Cancel string         `yaml:"cancel"` // acknowledgment, shipment; as settle where it is left out
}

type noticeBody struct {
	Structure string        `yaml:"structure"`
	Proof     string        `yaml:"proof"`  // block, warn
	Within    time.Duration `yaml:"within"` // of the departure
}

type inBody struct {
	Folder   string         `yaml:"folder"`
	Files    string         `yaml:"files"`
	Every    time.Duration  `yaml:"every"`
	Stable   *time.Duration `yaml:"stable"`
	Work     string         `yaml:"work"`
	Done     string         `yaml:"done"`
	Rejected string         `yaml:"rejected"`
	FileMax  int64          `yaml:"file_max"`
}

type outBody struct {
	Folder string `yaml:"folder"`
	Name   string `yaml:"name"`
}

// agreement is what was agreed with one partner, read and found right.
type agreement struct {
	revision     string
	profile      *Profile // of this partner alone
	partner      *Partner // in it
	us, them     string   // qualifier/id as written
	usGS, themGS string
	release      string // GS08 as written
	usage        string
	lineEnds     bool
	sends        map[waybill.Kind]string // kind → set
	drop         connector.Drop
	out          string // folder
	name         string // of a file
	within       time.Duration
	await        bool // acknowledgments
	byShipment   bool // a 945 settles the 940, its 997 does not
	cancelledBy  bool // a cancellation is confirmed by its 997; otherwise by the 945 that closes the order
	block        bool // a mismatch holds a notice or an invoice back
	noticeWithin time.Duration
	window       time.Duration
	ordered      bool
}

// setsOf are the sets of a role: what is read from it, and what is written to
// it of which documents. Acknowledgments are read from and written to any.
var setsOf = map[waybill.Role]struct {
	in  []string
	out map[waybill.Kind]string
}{
	waybill.RoleChannel: {in: []string{"850", "860"}, out: map[waybill.Kind]string{
		waybill.OrderAcknowledgment: "855", waybill.ChangeAnswer: "865", waybill.CancellationAnswer: "865",
		waybill.Fulfilment: "856", waybill.FulfilmentUpdate: "856", waybill.InvoiceNotice: "810", waybill.InventoryAvailability: "846"}},
	waybill.RoleWMS: {in: []string{"945", "947", "846"}, out: map[waybill.Kind]string{
		waybill.WarehouseOrder: "940", waybill.WarehouseOrderChange: "940", waybill.WarehouseOrderCancel: "940"}},
}

// agreeing gathers what is wrong with a partner's file.
type agreeing struct {
	*yamlfile.File
	body specBody
	role waybill.Role
	a    *agreement
}

// loadAgreement reads a partner's file for a system of a name and role. The
// error is [yamlfile.Problems].
func loadAgreement(name, system string, role waybill.Role, prefix string) (*agreement, error) {
	if name == "" {
		return nil, fmt.Errorf("no partner is named; write settings: {partner: FILE}")
	}
	r := &agreeing{role: role, a: &agreement{sends: map[waybill.Kind]string{}}}
	var err error
	if r.File, err = yamlfile.Load(name, &r.body); err != nil {
		return nil, err
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(src)
	r.a.revision = hex.EncodeToString(sum[:8])
	if r.body.Version != specVersion {
		r.Wrong(fmt.Sprintf("version %d is not known", r.body.Version), "write version: 1", "version")
	}
	r.identities()
	r.sets()
	r.partnerOf(system, prefix)
	r.acknowledge()
	r.places()
	return r.a, r.Err()
}

func (r *agreeing) oneOf(value string, allowed []string, at ...any) string {
	if value == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, value) {
		r.Wrong(fmt.Sprintf("%q is not known here", value), "choose one of "+strings.Join(allowed, ", "), at...)
		return allowed[0]
	}
	return value
}

// identities reads who is who on the envelopes.
func (r *agreeing) identities() {
	a, b := r.a, &r.body
	a.us, a.usGS = r.identity(b.Us, "us")
	a.them, a.themGS = r.identity(b.Partner, "partner")
	if a.us == a.them && a.us != "" {
		r.Wrong("the partner has our own id", "write the id that its interchanges come from", "partner", "id")
	}
	a.release = named(b.X12, "004010")
	if len(a.release) > 12 || !slices.ContainsFunc(x12.Versions(), func(v string) bool { return strings.HasPrefix(a.release, v) }) {
		r.Wrong(fmt.Sprintf("release %q can't be written", a.release), "write one that begins with "+strings.Join(x12.Versions(), " or "), "x12")
	}
	a.usage = r.oneOf(b.Usage, []string{"P", "T"}, "usage")
}

func (r *agreeing) identity(b idBody, at string) (isa, gs string) {
	for i, entry := range append([]string{b.ID}, b.Also...) {
		qualifier, id, ok := strings.Cut(entry, "/")
		if ok && len(qualifier) == 2 && id != "" && len(id) <= 15 {
			continue
		}
		place := []any{at, "id"}
		if i > 0 {
			place = []any{at, "also", i - 1}
		}
		r.Wrong(fmt.Sprintf("%q is no id of an interchange", entry), "write qualifier and id like ZZ/ACMESTORES or 08/614141000012, the id with at most 15 characters", place...)
	}
	_, id, _ := strings.Cut(b.ID, "/")
	return b.ID, named(b.Group, id)
}

// sets reads which sets go which way.
func (r *agreeing) sets() {
	known := setsOf[r.role]
	for i, set := range r.body.Receive {
		if !slices.Contains(known.in, set) {
			r.Wrong(fmt.Sprintf("set %q is not read from a system of this role", set), "choose of "+strings.Join(known.in, ", "), "receive", i)
		}
	}
	var writable []string
	for _, set := range known.out {
		if !slices.Contains(writable, set) {
			writable = append(writable, set)
		}
	}
	slices.Sort(writable)
	for i, set := range r.body.Send {
		if !slices.Contains(writable, set) {
			r.Wrong(fmt.Sprintf("set %q is not written to a system of this role", set), "choose of "+strings.Join(writable, ", "), "send", i)
		}
	}
	if len(r.body.Send) == 0 {
		r.Wrong("is missing", "name the sets that the partner takes, of "+strings.Join(writable, ", "), "send")
	}
	for kind, set := range known.out {
		if slices.Contains(r.body.Send, set) {
			r.a.sends[kind] = set
		}
	}
}

// partnerOf makes the partner's profile, by which sets are read and written.
func (r *agreeing) partnerOf(system, prefix string) {
	b := &r.body
	receive := b.Receive
	if len(receive) == 0 {
		receive = setsOf[r.role].in
	}
	p := Partner{Name: system, X12: b.Partner.ID, SetsIn: append(slices.Clone(receive), "997", "999"), Versions: b.Versions,
		TA1: b.Acknowledge.TA1, Ack: b.Acknowledge.Send, Duplicates: b.Duplicates, Overlay: b.Overlay, Units: b.Units, States: b.States,
		Items: b.Items, BuyerItems: b.BuyerItems, Zone: b.Zone, Currency: b.Currency, Customer: b.Customer, Warehouse: b.Warehouse,
		Final: b.Final, Prefix: prefix, Structure: b.Notice.Structure, Delimiters: b.Delimiters, Charset: b.Charset, Text: b.Text, Upper: b.Upper}
	if r.a.usage == "P" {
		p.Usage = "P"
	}
	if len(b.Strict) > 0 {
		p.Strict = map[x12.Class]x12.Action{}
		for class, action := range b.Strict {
			p.Strict[x12.Class(class)] = x12.Action(action)
		}
	}
	if err := p.check(); err != nil {
		field, rest, _ := strings.Cut(strings.TrimPrefix(err.Error(), "/"), ": ")
		field, _, _ = strings.Cut(field, "/")
		r.Wrong(rest, "", place(field)...)
	}
	r.a.profile = &Profile{Partners: []Partner{p}}
	for _, also := range b.Partner.Also { // another id of the same partner
		other := p
		other.X12 = also
		r.a.profile.Partners = append(r.a.profile.Partners, other)
	}
	r.a.profile.Us.X12 = append([]string{b.Us.ID}, b.Us.Also...)
	r.a.partner = &r.a.profile.Partners[0]
	r.a.lineEnds = b.LineEnds
}

// place is where a field of a [Partner] stands in the file.
func place(field string) []any {
	switch field {
	case "ack":
		return []any{"acknowledge", "send"}
	case "ta1":
		return []any{"acknowledge", "ta1"}
	case "structure":
		return []any{"ship_notice", "structure"}
	}
	return []any{field}
}

// acknowledge reads what is awaited and how long.
func (r *agreeing) acknowledge() {
	a, b := r.a, &r.body
	a.await = b.Acknowledge.Await == nil || *b.Acknowledge.Await
	a.within = withinDefault
	if b.Acknowledge.Within != nil {
		a.within = *b.Acknowledge.Within
	}
	if a.within <= 0 {
		r.Wrong("an acknowledgment can't come in no time", "write how long it may take, like 4h; or await: false", "acknowledge", "within")
	}
	a.byShipment = r.oneOf(b.Acknowledge.Settle, []string{"acknowledgment", "shipment"}, "acknowledge", "settle") == "shipment"
	if a.byShipment && r.role != waybill.RoleWMS {
		r.Wrong("only a warehouse order is settled by its shipment", "take it out", "acknowledge", "settle")
	}
	a.cancelledBy = r.oneOf(named(b.Acknowledge.Cancel, named(b.Acknowledge.Settle, "acknowledgment")), []string{"acknowledgment", "shipment"}, "acknowledge", "cancel") == "acknowledgment"
	if b.Acknowledge.Cancel != "" && r.role != waybill.RoleWMS {
		r.Wrong("only a warehouse confirms cancellations", "take it out", "acknowledge", "cancel")
	}
	a.block = r.oneOf(b.Notice.Proof, []string{"block", "warn"}, "ship_notice", "proof") == "block"
	a.noticeWithin = b.Notice.Within
	if a.noticeWithin == 0 {
		a.noticeWithin = noticeDefault
	}
	a.window = b.Window
	if a.window < 0 || a.window > 0 && (a.window < time.Minute || a.window > 24*time.Hour) {
		r.Wrong("a window is from a minute to a day", "write like 15m, or leave it out to send at once", "window")
	}
	a.ordered = b.KeepsOrder == nil || *b.KeepsOrder
}

// places reads where files are.
func (r *agreeing) places() {
	in, out := r.body.In, r.body.Out
	d := connector.Drop{Name: "x12", Folder: named(in.Folder, "in"), Pattern: named(in.Files, "*"), Every: in.Every, Stable: stableDefault,
		FileMax: in.FileMax, Same: connector.SameMessage}
	if d.Every == 0 {
		d.Every = everyDefault
	}
	if in.Stable != nil {
		d.Stable = *in.Stable
	}
	if d.FileMax == 0 {
		d.FileMax = fileMaxDefault
	}
	d.Work = named(in.Work, path.Join(d.Folder, "work"))
	d.Done = named(in.Done, path.Join(d.Folder, "done"))
	d.Rejected = named(in.Rejected, path.Join(d.Folder, "rejected"))
	if _, err := path.Match(d.Pattern, ""); err != nil || strings.Contains(d.Pattern, "/") {
		r.Wrong(fmt.Sprintf("%q is no pattern for names", d.Pattern), `write it like "*.edi"`, "in", "files")
	}
	if d.Every < everyMin {
		r.Wrong("the folder would be looked at without a pause", "write 1s or more", "in", "every")
	}
	if d.Stable < 0 || d.FileMax < 0 {
		r.Wrong("below zero", "leave it out for the default", "in", "stable")
	}
	r.a.drop, r.a.out, r.a.name = d, named(out.Folder, "out"), named(out.Name, nameDefault)
	if !strings.Contains(r.a.name, "{control}") || strings.ContainsAny(r.a.name, "/\\") {
		r.Wrong(fmt.Sprintf("two files could have the name %q, or it leaves its folder", r.a.name), "write it with {control}, like "+nameDefault, "out", "name")
	}
	seen := map[string]bool{}
	for _, folder := range []string{d.Folder, d.Work, d.Done, d.Rejected, r.a.out} {
		if seen[path.Clean(folder)] {
			r.Wrong("two of the folders in, work, done, rejected and out are one", "give each its own", "in", "folder")
		}
		seen[path.Clean(folder)] = true
	}
}
