package x12

import (
	"time"
	"unicode/utf8"
)

// Interchange is an ISA segment and what is known of everything up to its IEA.
// While it is read, only the header is filled; Faults and Status are final
// when its end is reported.
type Interchange struct {
	N                           int // in the file, from 1
	SenderQualifier, Sender     string
	ReceiverQualifier, Receiver string
	Date, Time                  string // ISA09 YYMMDD and ISA10 HHMM, in the sender's zone
	Version                     string // ISA12
	Control                     string // ISA13
	AckRequested                bool   // ISA14: a TA1 is wanted even when nothing is wrong
	Usage                       string // ISA15: P production, T test, I information
	Delimiters                  Delimiters
	Groups                      int
	Acks                        []InterchangeAck // the TA1 segments in it
	AcksOnly                    bool             // it holds acknowledgments and nothing else: it is never acknowledged
	Digest                      [32]byte         // of its segments, where Options.Memory is set
	Faults                      []Fault
	Status                      Status
}

// Group is a functional group. Faults and Status are final when its end is
// reported.
type Group struct {
	Interchange                  *Interchange
	N                            int // in the interchange, from 1
	Code                         string
	Sender, Receiver             string
	Date, Time                   string // GS04 and GS05
	Control                      string // GS06
	Agency, Version              string // GS07 and GS08
	Stated                       int    // sets by GE01
	Sets, SetsAccepted, SetsWith int    // counted; accepted in any way; of these, with errors
	Faults                       []Fault
	Status                       Status
}

// Message is one transaction set, ST to SE, with everything wrong with it.
type Message struct {
	Group          *Group
	N              int    // in the group, from 1
	Set            string // ST01
	Control        string // ST02
	Implementation string // ST03, from 005010 on
	Offset         int64  // of its ST in the file
	Faults         []Fault
	Status         Status // by its own faults; its group and interchange can still be rejected

	text  string
	ends  []int32
	marks []mark
	buf   []byte
	large bool // past MessageBytesMax: only its beginning is here
}

// mark is where a segment begins in a message; it ends where the next begins.
type mark struct {
	start  int32 // in text
	first  int32 // in ends
	offset int32 // in the file, from the ST
}

// Len is the number of segments, ST and SE included.
func (m *Message) Len() int { return len(m.marks) }

// Segment is the i-th segment, from 0 (the ST).
func (m *Message) Segment(i int) Segment {
	k := m.marks[i]
	end, beyond := len(m.text), len(m.ends)
	if i+1 < len(m.marks) {
		end, beyond = int(m.marks[i+1].start), int(m.marks[i+1].first)
	}
	return Segment{text: m.text[k.start:end], ends: m.ends[k.first:beyond], offset: m.Offset + int64(k.offset)}
}

// Size is how many bytes of the set are in memory.
func (m *Message) Size() int { return len(m.text) }

// Fits reports whether the whole set is in memory; of one past
// [MessageBytesMax] only the beginning is.
func (m *Message) Fits() bool { return !m.large }

// add takes a segment over, with the ends of its elements.
func (m *Message) add(x raw, ends []int32) {
	if len(m.buf)+len(x.data) > MessageBytesMax {
		m.large = true
		return
	}
	m.marks = append(m.marks, mark{start: int32(len(m.buf)), first: int32(len(m.ends)), offset: int32(min(x.offset-m.Offset, 1<<31-1))}) //nolint:gosec // bounded by MessageBytesMax
	m.buf = append(m.buf, x.data...)
	m.ends = append(m.ends, ends...)
}

// seal makes the text of what was added, and gives the buffer back. Bytes that
// are no UTF-8 are read as Latin-1: X12 names no byte coding, and these two are
// what partners send.
func (m *Message) seal() (buf []byte) {
	buf = m.buf[:0]
	if utf8.Valid(m.buf) {
		m.text, m.buf = string(m.buf), nil
		return buf
	}
	old := m.buf
	wide := make([]byte, 0, len(old)+len(old)/8)
	for i := range m.marks {
		k := &m.marks[i]
		beyond := len(m.ends)
		if i+1 < len(m.marks) {
			beyond = int(m.marks[i+1].first)
		}
		start, from := int32(len(wide)), k.start //nolint:gosec // at most twice MessageBytesMax
		for j := int(k.first); j < beyond; j++ {
			to := k.start + m.ends[j]
			for _, c := range old[from:to] {
				wide = utf8.AppendRune(wide, rune(c))
			}
			from, m.ends[j] = to, int32(len(wide))-start //nolint:gosec // at most twice MessageBytesMax
		}
		k.start = start
	}
	m.text, m.buf = string(wide), nil
	return buf
}

// latin reads bytes that are no UTF-8 as Latin-1.
func latin(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	wide := make([]byte, 0, 2*len(v))
	for i := 0; i < len(v); i++ {
		wide = utf8.AppendRune(wide, rune(v[i]))
	}
	return string(wide)
}

// Sent is the interchange's date and time in the zone of its sender. The
// century is that of 2000 for years below 50 and of 1900 above.
func (ic *Interchange) Sent(zone *time.Location) time.Time {
	t, err := time.ParseInLocation("060102 1504", ic.Date+" "+ic.Time, zone)
	if err != nil {
		return time.Time{}
	}
	if t.Year() >= 2050 {
		t = t.AddDate(-100, 0, 0)
	}
	return t
}
