// Package sandbox is a world of simulated systems around Waybill: an ERP, a
// warehouse (WMS), a carrier and a storefront, as real HTTP servers with books
// of their own; where the whole process is wanted ([Config.Whole]), a second
// warehouse and a portal too.
//
// The storefront speaks Shopify's webhooks and Admin GraphQL, all others the
// system contract, parts T and W. The
// package imports nothing of the rest of the module, not even its decimals or
// its signatures, so that a mistake shared by both sides can't hide.
//
// What happens to an order is its [Fate], drawn from (seed, order) and brought
// about by causes: a document received, an answer given. Faults come from
// streams apart, so that two runs of one seed end in the same books whatever
// the faults, the threads and the timing were. [World.Books] reads those books
// and says what was lost, doubled or out of order.
//
// Files: world.go is the door; fate.go, trade.go and catalogue.go say what shall
// happen, kits.go and names.go what is made up of others and what the storefront
// calls its goods, target.go, answers.go and ledger.go are the contract's side of every
// system, erp.go, stock.go, wms.go, wmstell.go, floor.go, carrier.go and
// portal.go the systems behind it, shop.go, graphql.go and their neighbours the
// storefront, push.go the webhooks out, faults.go what goes wrong, books.go,
// sheet.go and balance.go the reckoning.
package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Secret is what a system and Waybill know of each other.
type Secret struct {
	// Token is the credential that Waybill calls the system with: a bearer
	// token, for the storefront an Admin API access token.
	Token string
	// WebhookSecret signs the system's pushes: whsec_ and base64, for the
	// storefront the app's client secret as it stands.
	WebhookSecret string
}

// Config says what world to make. The zero value is a world of single-line
// orders without faults.
type Config struct {
	Seed  int64
	First int // index of the first order: a world that goes on with a database of an earlier one starts behind it
	Lines int // mean number of lines of an order of the storefront; 0: 1
	// Whole adds a portal and a second warehouse: units, orders that two
	// warehouses ship, loads, backorders that are released, returns, counts.
	Whole bool

	Faults string // none, light or heavy; "": none
	// Once keeps the fates of orders apart: no order's credit or stock is
	// taken by another one.
	Once bool

	Waybill string       // base URL; SetWaybill may give it later
	Client  *http.Client // used for pushes to Waybill; nil: one of the sandbox's own

	// Secrets by system; what is missing is made up (see World.Secret).
	Secrets map[string]Secret
	// Idempotency is the class by system, key, lookup or none. Default: erp
	// lookup, wms key, carrier none.
	Idempotency map[string]string
	// Lax systems don't compare a document's "after" with what they hold.
	Lax map[string]bool

	Now       func() time.Time                     // nil: the clock
	Sleep     func(context.Context, time.Duration) // nil: a timer; returns early when the context ends
	Shop      string                               // the storefront's domain; "": example-hardware.myshopify.com
	InProcess bool                                 // no listeners: the systems are reached through Transport
}

// The systems of every world, and of a whole one.
var (
	plainSystems = []string{"erp", "wms", "carrier", "shop"}
	wholeSystems = []string{"erp", "wms", "wms2", "carrier", "shop", "portal"}
)

// Systems are the names of the world's systems.
func (w *World) Systems() []string { return w.cfg.systems() }

func (cfg *Config) systems() []string {
	if cfg.Whole {
		return wholeSystems
	}
	return plainSystems
}

// World is the systems, their books and what is on its way between them and
// Waybill.
type World struct {
	cfg     Config
	targets map[string]*target
	erp     *erp
	floors  []*wms // by their place in sites
	carrier *carrier
	shop    *shop
	portal  *portal // nil where the world is not whole
	faults  map[string]*faultline
	pushers map[string]*pusher
	foreign plan

	mu     sync.RWMutex
	base   string // of Waybill
	client *http.Client
	ctx    context.Context // of Start; nil before
	stop   context.CancelFunc
	urls   map[string]string
	serves []*http.Server

	open atomic.Int64 // things that the sandbox still does by itself
}

// New makes a world. Nothing listens and nothing is sent before Start.
func New(cfg Config) (*World, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	w := &World{cfg: cfg, foreign: foreignPlan(), base: cfg.Waybill, client: cfg.Client, targets: map[string]*target{},
		faults: map[string]*faultline{}, pushers: map[string]*pusher{}, urls: map[string]string{}}
	w.erp, w.carrier = newERP(w), &carrier{w: w}
	w.floors = []*wms{newWMS(w, 0, "")}
	list := []*target{w.erp.t, w.floors[0].t, newTarget(w, "carrier", "C-", w.carrier)}
	if cfg.Whole {
		w.floors = append(w.floors, newWMS(w, 1, "B"))
		w.portal = newPortal(w)
		list = append(list, w.floors[1].t, w.portal.t)
	}
	for _, t := range list {
		w.targets[t.name] = t
	}
	var err error
	if w.shop, err = newShop(w); err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	for _, name := range cfg.systems() {
		if w.faults[name], err = newFaultline(cfg.Seed, name, cfg.Faults); err != nil {
			return nil, fmt.Errorf("make the sandbox: %w", err)
		}
		p := &pusher{w: w, system: name, lanes: map[string][]*message{}}
		if p.sign, err = w.signer(name); err != nil {
			return nil, fmt.Errorf("make the sandbox: system %s: %w", name, err)
		}
		w.pushers[name] = p
	}
	return w, nil
}

// complete fills in the defaults.
func (cfg *Config) complete() error {
	cfg.Lines = max(cfg.Lines, 1)
	if cfg.First < 0 {
		return fmt.Errorf("first order %d: want 0 or more", cfg.First)
	}
	if cfg.Faults == "" {
		cfg.Faults = "none"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = wait
	}
	if cfg.Shop == "" {
		cfg.Shop = "example-hardware.myshopify.com"
	}
	if cfg.Client == nil {
		cfg.Client = pushClient()
	}
	classes := map[string]string{"erp": classLookup, "wms": classKey, "wms2": classLookup, "carrier": classNone, "portal": classKey}
	for name, class := range cfg.Idempotency {
		if _, ok := classes[name]; !ok || !isClass(class) {
			return fmt.Errorf("idempotency of %q is %q: want key, lookup or none for a system of the contract", name, class)
		}
		classes[name] = class
	}
	cfg.Idempotency = classes
	secrets := map[string]Secret{}
	for _, name := range cfg.systems() {
		s := cfg.Secrets[name]
		if s.Token == "" {
			s.Token = rand.Text()
		}
		if s.WebhookSecret == "" {
			key := make([]byte, 32)
			// Read never fails (package crypto/rand)
			_, _ = rand.Read(key)
			s.WebhookSecret = "whsec_" + base64.StdEncoding.EncodeToString(key)
		}
		secrets[name] = s
	}
	cfg.Secrets = secrets
	return nil
}

// pushClient is the client for pushes where the caller gives none.
func pushClient() *http.Client {
	return &http.Client{
		Timeout:       pushTimeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: len(wholeSystems) * pushWorkers, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wait lets d pass, or less where ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// signer gives what a system puts into the headers of its pushes.
func (w *World) signer(name string) (func(http.Header, *message, time.Time), error) {
	secret := w.cfg.Secrets[name].WebhookSecret
	if name == "shop" {
		return func(h http.Header, m *message, _ time.Time) { w.shop.sign(h, m, secret) }, nil
	}
	key, err := standardSecret(secret)
	if err != nil {
		return nil, err
	}
	return func(h http.Header, m *message, now time.Time) {
		stamp := strconv.FormatInt(now.Unix(), 10)
		h.Set("webhook-id", m.id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", standardSignature(key, m.id, stamp, m.body))
	}, nil
}

// Handler is a system's HTTP side, by its name in [World.Systems]; nil for any
// other name.
func (w *World) Handler(system string) http.Handler {
	if system == "shop" {
		return w.shop
	}
	if t := w.targets[system]; t != nil {
		return t
	}
	return nil
}

// Secret gives a system's credentials, the given or the made up ones.
func (w *World) Secret(system string) Secret { return w.cfg.Secrets[system] }

// Shop is the storefront's domain, as in X-Shopify-Shop-Domain.
func (w *World) Shop() string { return w.cfg.Shop }

// Start lets the world act until ctx ends or Close is called; unless
// Config.InProcess is set, every system listens on a port of 127.0.0.1.
func (w *World) Start(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	w.mu.Lock()
	w.ctx, w.stop = ctx, stop
	w.mu.Unlock()
	for _, name := range w.Systems() {
		if w.cfg.InProcess {
			w.urls[name] = "http://" + name + inProcessSuffix
			continue
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			w.Close()
			return fmt.Errorf("start system %s of the sandbox: %w", name, err)
		}
		server := &http.Server{Handler: w.Handler(name), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
		w.serves = append(w.serves, server)
		w.urls[name] = "http://" + l.Addr().String()
		go func() { _ = server.Serve(l) }() // ends with Close
	}
	for _, p := range w.pushers {
		p.wake(ctx)
	}
	return nil
}

// Close ends the listeners and whatever is under way; messages not yet taken
// by Waybill are given up.
func (w *World) Close() {
	w.mu.RLock()
	stop := w.stop
	w.mu.RUnlock()
	if stop != nil {
		stop()
	}
	for _, s := range w.serves {
		_ = s.Close() // nothing of it is needed any more
	}
}

// URL is a system's base URL, known after Start.
func (w *World) URL(system string) string { return w.urls[system] }

// SetWaybill says where Waybill is; client nil keeps the one in use. Pushes
// that failed before are tried there.
func (w *World) SetWaybill(baseURL string, client *http.Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.base = baseURL
	if client != nil {
		w.client = client
	}
}

// waybill gives where and with what to reach Waybill.
func (w *World) waybill() (string, *http.Client) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.base, w.client
}

// running gives the context of Start, nil before.
func (w *World) running() context.Context {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.ctx
}

// SetFault turns a fault of one system on or off, on top of the profile. On,
// it strikes in three of ten cases, an outage in all of them.
func (w *World) SetFault(system, fault string, on bool) error {
	f := w.faults[system]
	if f == nil {
		return fmt.Errorf("set fault: system %q is unknown to the sandbox: want one of %v", system, w.Systems())
	}
	return f.set(Fault(fault), on)
}

// Quiet says whether nothing is under way that the sandbox would do by itself:
// no push without its 2xx, no late or pending document to apply, no order
// being placed. Otherwise the text says what is.
//
// A warehouse order that waits for the change or the cancellation of its fate
// is quiet: only Waybill can move it. So a run has ended when Waybill says
// that it is quiescent and the sandbox is quiet, and what still waits then is
// counted as lost in the books.
func (w *World) Quiet() (bool, string) {
	for _, name := range w.Systems() {
		if n, trouble := w.pushers[name].waiting(); n > 0 {
			return false, fmt.Sprintf("%s has %d messages for Waybill; the last trouble was: %s", name, n, trouble)
		}
	}
	if n := w.open.Load(); n > 0 {
		return false, fmt.Sprintf("%d documents or orders are under way inside the sandbox", n)
	}
	return true, ""
}

// UnderWay is how much the sandbox still has to do by itself: messages that
// Waybill has not taken and documents that are being worked on.
func (w *World) UnderWay() int {
	n := int(w.open.Load())
	for _, p := range w.pushers {
		waiting, _ := p.waiting()
		n += waiting
	}
	return n
}

// later does fn after a pause, and counts it as under way until then.
func (w *World) later(pause time.Duration, fn func()) {
	ctx := w.running()
	if ctx == nil {
		return // nothing acts before Start
	}
	w.open.Add(1)
	go func() {
		defer w.open.Add(-1)
		w.cfg.Sleep(ctx, pause)
		if ctx.Err() == nil {
			fn()
		}
	}()
}

// tell pushes an event of a system of the contract. name makes its id unique
// within the lane; done is called once Waybill has it.
func (w *World) tell(system, kind, lane, name string, fields []byte, done func()) {
	now := w.cfg.Now()
	about := textHash(lane)
	id := system + "-" + strconv.FormatUint(about, 36) + "-" + name
	w.pushers[system].push(&message{lane: lane, about: about, id: id, body: fact(kind, now.UTC(), fields), caused: now, done: done})
}

// planOf gives the fate of the order that a document names.
func (w *World) planOf(order string) *plan {
	if i, ok := orderIndex(order); ok {
		if o := w.shop.order(i); o != nil {
			return &o.plan
		}
	}
	return &w.foreign
}
