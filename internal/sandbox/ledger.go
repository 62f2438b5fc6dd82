package sandbox

import (
	"sync"
	"time"
)

// shardCount is how many locks a target's books are spread over.
const shardCount = 64

// recordState is what a target knows about a key.
type recordState uint8

const (
	seen     recordState = iota // asked for, nothing applied
	pending                     // taken, not applied
	applied                     // in the journal
	rejected                    // taken and then refused
)

// String is the word of T2.
func (s recordState) String() string {
	return [...]string{"seen", "pending", "applied", "rejected"}[s]
}

// record is one document in a target's books. All fields but the first three
// are guarded by the lock of the lane's shard until the record is applied;
// then they don't change.
type record struct {
	key, lane string
	n         int // position in the journal, from 1; 0: not applied

	kind, order, ref string
	sum              [32]byte
	seq, version     int
	at               time.Time
	state            recordState
	answering        int // requests that have been judged and not answered yet
	faults           int // faulty answers given for this key
	lines            []journalLine
	retried          string // the line that a 207 sent back; "" where all were applied
	about            entryData
	result           string // JSON, "" for {}
	refusal          *refusal
	calls            []Call
}

// entryLine is a quantity of an order line, in base units.
type entryLine struct {
	line, sku string
	qty       amount
}

// journalLine is a line as the journal shows it: as the document said it.
type journalLine struct {
	line, sku, uom string
	qty            amount
}

// entryData is what the journal shows of a document's data.
type entryData struct {
	shipment, returned, warehouseOrder, document, compensates, supersedes string
}

// orderBook is what a target knows about one lane: the numbering of its
// documents, and the business behind it.
type orderBook struct {
	lane    string
	epoch   int64
	held    int // seq of the last document applied or taken
	last    int // seq of the last document applied
	lastKey string
	erp     *erpOrder
	wms     *wmsOrder
}

// shard holds some of a target's lanes.
type shard struct {
	mu    sync.Mutex
	lanes map[string]*orderBook
}

// lane finds or opens a lane. The shard's lock is held.
func (s *shard) lane(name string) *orderBook {
	b := s.lanes[name]
	if b == nil {
		b = &orderBook{lane: name}
		s.lanes[name] = b
	}
	return b
}

// ledger is the books of one target: what it was asked, what it applied, and
// in which order.
type ledger struct {
	shards [shardCount]shard

	keysMu sync.RWMutex
	keys   map[string]*record

	journalMu sync.RWMutex
	journal   []*record

	counts struct {
		sync.Mutex
		outOfSequence int
		replayed      int // answers with Idempotency-Replayed
		findings      []string
	}
}

// newLedger opens empty books.
func newLedger() *ledger {
	l := &ledger{keys: map[string]*record{}}
	for i := range l.shards {
		l.shards[i].lanes = map[string]*orderBook{}
	}
	return l
}

// shardOf finds the shard of a lane.
func (l *ledger) shardOf(lane string) *shard {
	return &l.shards[textHash(lane)%shardCount]
}

// recordOf finds or opens the record of a key.
func (l *ledger) recordOf(key, lane string) *record {
	if rec := l.find(key); rec != nil {
		return rec
	}
	l.keysMu.Lock()
	defer l.keysMu.Unlock()
	rec := l.keys[key]
	if rec == nil {
		rec = &record{key: key, lane: lane}
		l.keys[key] = rec
	}
	return rec
}

// find gives the record of a key, nil where the target never heard of it.
func (l *ledger) find(key string) *record {
	l.keysMu.RLock()
	defer l.keysMu.RUnlock()
	return l.keys[key]
}

// enter appends an applied record to the journal and numbers it.
func (l *ledger) enter(rec *record) {
	l.journalMu.Lock()
	defer l.journalMu.Unlock()
	l.journal = append(l.journal, rec)
	rec.n = len(l.journal)
}

// entries gives up to limit entries of the journal behind after, and its head.
func (l *ledger) entries(after, limit int) ([]*record, int) {
	l.journalMu.RLock()
	defer l.journalMu.RUnlock()
	head := len(l.journal)
	from := min(max(after, 0), head)
	return l.journal[from:min(from+limit, head):head], head
}

// outOfSequence notes a document that came in the wrong order.
func (l *ledger) outOfSequence(finding string) {
	l.counts.Lock()
	defer l.counts.Unlock()
	l.counts.outOfSequence++
	if len(l.counts.findings) < findingsMax {
		l.counts.findings = append(l.counts.findings, finding)
	}
}

// each calls fn for every lane, with its shard locked, in no order.
func (l *ledger) each(fn func(*orderBook)) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		for _, b := range s.lanes {
			fn(b)
		}
		s.mu.Unlock()
	}
}
