// Package edifact reads the outline of UN/EDIFACT interchanges: who sends which
// messages. That is enough to refuse each of them by its name; what they say is
// not read.
//
// It is pure and works in memory that does not grow with the file.
package edifact

import (
	"bufio"
	"errors"
	"io"
)

// keptBytes is how much of a segment is kept: the service segments, which are
// all that is looked at, are far shorter.
const keptBytes = 2 << 10

// Interchange is what its UNB says of it; empty for messages without one.
type Interchange struct {
	Control          string // 0020
	Sender, Receiver string // with their qualifiers, like 5412345000013:14
	Test             bool   // 0035
}

// Group is what its UNG says of it; empty for messages that stand in none.
type Group struct {
	Code    string // 0038, as ORDERS
	Control string // 0048
	Version string // version, release and agency, as D:96A:UN
}

// Message is what its UNH says of it.
type Message struct {
	Set     string // 0065, as ORDERS
	Control string // 0062
	Version string // version, release, agency and association, as D:96A:UN:EAN008
}

// Handler is told what is found, in the order of the file. Every message stands
// in an interchange and a group that were told before it. An error ends the
// reading.
type Handler struct {
	Interchange func(Interchange) error
	Group       func(Group) error
	Message     func(Message) error
}

// Read goes through a file. The error is the handler's, or that of in.
func Read(in io.Reader, h Handler) error {
	o := outline{in: bufio.NewReader(in), h: h, d: standard}
	for {
		segment, err := o.next()
		if err == nil {
			err = o.take(segment)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// delimiters separate the parts of an interchange.
type delimiters struct{ component, element, release, terminator byte }

// The delimiters of an interchange without UNA: those of level A, and those of
// level B, which no keyboard has.
var (
	standard = delimiters{':', '+', '?', '\''}
	levelB   = delimiters{0x1f, 0x1d, 0, 0x1c}
)

// outline is a reading.
type outline struct {
	in          *bufio.Reader
	h           Handler
	d           delimiters
	buf         []byte
	interchange bool // one was told
	group       bool // and a group in it
}

// next is the next segment up to keptBytes, without its terminator; a release
// character stays before the one that it releases.
func (o *outline) next() ([]byte, error) {
	o.buf = o.buf[:0]
	released := false
	for {
		c, err := o.in.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(o.buf) > 0 {
				return o.buf, nil
			}
			return nil, err
		}
		switch {
		case released:
			released = false
		case c == o.d.release && c != 0:
			released = true
		case c == o.d.terminator:
			return o.buf, nil
		case c == '\r' || c == '\n':
			continue // a line that was wrapped
		}
		if len(o.buf) == 0 && (c <= ' ' || c >= 0x80 || c == 0x1a) {
			continue // white space and a byte order mark before a segment
		}
		if len(o.buf) < keptBytes {
			o.buf = append(o.buf, c)
		}
		switch {
		case len(o.buf) == 4 && string(o.buf[:3]) == "UNA":
			if err := o.advice(c); err != nil {
				return nil, err
			}
			o.buf = o.buf[:0]
		case len(o.buf) == 4 && string(o.buf[:3]) == "UNB" && c == levelB.element:
			o.d = levelB
		}
	}
}

// advice takes the delimiters that a UNA names, the first of which was read.
func (o *outline) advice(component byte) error {
	var rest [5]byte
	if _, err := io.ReadFull(o.in, rest[:]); err != nil {
		return io.EOF // nothing follows it
	}
	o.d = delimiters{component: component, element: rest[0], release: rest[2], terminator: rest[4]}
	if o.d.release == ' ' {
		o.d.release = 0 // none is used
	}
	return nil
}

// take tells what a service segment begins.
func (o *outline) take(segment []byte) error {
	f := o.split(segment)
	switch f.at(0, 0) {
	case "UNB":
		o.interchange, o.group = true, false
		return o.h.Interchange(Interchange{Control: f.at(5, 0), Sender: f.rest(2, 0), Receiver: f.rest(3, 0), Test: f.at(11, 0) == "1"})
	case "UNG":
		if err := o.open(false); err != nil {
			return err
		}
		o.group = true
		return o.h.Group(Group{Code: f.at(1, 0), Control: f.at(5, 0), Version: f.version(7, f.at(6, 0))})
	case "UNE":
		o.group = false
	case "UNH":
		if err := o.open(true); err != nil {
			return err
		}
		return o.h.Message(Message{Set: f.at(2, 0), Control: f.at(1, 0), Version: f.rest(2, 1)})
	}
	return nil
}

// open tells the interchange and the group that a file left out.
func (o *outline) open(group bool) error {
	if !o.interchange {
		o.interchange = true
		if err := o.h.Interchange(Interchange{}); err != nil {
			return err
		}
	}
	if !group || o.group {
		return nil
	}
	o.group = true
	return o.h.Group(Group{})
}
