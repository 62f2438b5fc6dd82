package edi

import (
	"errors"
	"io"

	"github.com/waybillhq/waybill/edi/x12"
)

// Outcome is a set with the verdict on all that it stands in, and what it
// says.
type Outcome struct {
	*x12.Message
	Final       x12.Status
	Faults      []x12.Fault // its own, and those of its group and interchange that rejected it
	Translation Translation
}

// Outcomes reads a judged file again and hands over every set with its final
// verdict; events are made only of what was accepted. group is told each
// interchange, without a group, and each group before what is in it.
func (t *Translator) Outcomes(in io.Reader, v *Verdicts, group func(*Verdict, *x12.Group) error, set func(Outcome) error) error {
	return t.walk(in, v, group, func(o Outcome) error {
		if err := t.complete(&o); err != nil {
			return err
		}
		return set(o)
	})
}

// complete adds what an accepted set says.
func (t *Translator) complete(o *Outcome) (err error) {
	if o.Final != x12.Rejected {
		o.Translation, err = t.Translate(o.Message)
	}
	return err
}

// walk reads a judged file again; sets are not translated yet.
func (t *Translator) walk(in io.Reader, v *Verdicts, group func(*Verdict, *x12.Group) error, set func(Outcome) error) error {
	at := -1
	err := x12.Read(in, x12.Options{Rules: t.Profile.Rules}, x12.Handler{
		Begin: func(*x12.Interchange) error {
			at++
			return group(&v.Interchanges[at], nil)
		},
		Group: func(g *x12.Group) error { return group(&v.Interchanges[at], v.Interchanges[at].of(g)) },
		Message: func(m *x12.Message) error {
			ic := v.Interchanges[at]
			o := Outcome{Message: m, Final: m.Status, Faults: m.Faults}
			for _, above := range [][]x12.Fault{ic.of(m.Group).Faults, ic.Faults} {
				for _, f := range above {
					if !f.Accepted {
						o.Final = x12.Rejected
						o.Faults = append(o.Faults[:len(o.Faults):len(o.Faults)], f)
					}
				}
			}
			return set(o)
		},
	})
	var syntax *x12.SyntaxError
	if errors.As(err, &syntax) {
		return nil // told by Verdicts.Problem
	}
	return err
}

// How far a reading runs ahead of what is made of it: so many pieces of so many
// bytes.
const (
	aheadPieces = 64
	aheadBytes  = 64 << 10
)

// step is one call of group or set on its way.
type step struct {
	ic     *Verdict
	group  *x12.Group
	set    *Outcome // nil: a call of group
	pieces int
	err    error
}

// errStopped ends a reading whose outcome nobody takes any more.
var errStopped = errors.New("the reading was stopped")

// OutcomesAhead is Outcomes for large files: reading, translating and handing
// over go on beside each other, in the order of the file. group and set are
// never called at the same time; the book is asked from another goroutine.
func (t *Translator) OutcomesAhead(in io.Reader, v *Verdicts, group func(*Verdict, *x12.Group) error, set func(Outcome) error) error {
	read, translated := make(chan *step, aheadPieces), make(chan *step, aheadPieces)
	room, stop, done := make(chan struct{}, aheadPieces), make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(translated)
		for s := range read {
			if s.set != nil {
				s.err = t.complete(s.set)
			}
			translated <- s
		}
	}()
	go func() {
		var err error
		for s := range translated {
			if err == nil {
				if err = s.hand(group, set); err != nil {
					close(stop)
				}
			}
			for range s.pieces {
				<-room
			}
		}
		done <- err
	}()
	send := func(s *step) error {
		for range s.pieces {
			select {
			case room <- struct{}{}:
			case <-stop:
				return errStopped
			}
		}
		read <- s // there is room
		return nil
	}
	err := t.walk(in, v, func(ic *Verdict, g *x12.Group) error {
		if g != nil {
			judged := *g // the reading goes on counting in it
			g = &judged
		}
		return send(&step{ic: ic, group: g, pieces: 1})
	}, func(o Outcome) error {
		return send(&step{set: &o, pieces: min(1+o.Size()/aheadBytes, aheadPieces)})
	})
	close(read)
	if handed := <-done; handed != nil {
		return handed
	}
	return err
}

func (s *step) hand(group func(*Verdict, *x12.Group) error, set func(Outcome) error) error {
	switch {
	case s.err != nil:
		return s.err
	case s.set == nil:
		return group(s.ic, s.group)
	}
	return set(*s.set)
}
