package x12

import "unicode/utf8"

// Level is the part of an interchange that a fault is about. It says which code
// list Fault.Code is of.
type Level string

// The levels, from the whole to the part.
const (
	LevelInterchange Level = "interchange" // TA105
	LevelGroup       Level = "group"       // AK905
	LevelSet         Level = "set"         // AK502, IK502
	LevelSegment     Level = "segment"     // AK304, IK304
	LevelElement     Level = "element"     // AK403, IK403
)

// Class groups faults that a partner's profile treats alike.
type Class string

// The classes of fault.
const (
	ClassEnvelope  Class = "envelope"   // an element of ISA or GS is malformed
	ClassPartner   Class = "partner"    // sender, receiver or usage is none that was agreed
	ClassDuplicate Class = "duplicate"  // a control number was there before
	ClassControl   Class = "control"    // control numbers of header and trailer differ
	ClassCount     Class = "count"      // a trailer counts wrong
	ClassTrailer   Class = "trailer"    // a trailer is missing, or the file ends early
	ClassSupport   Class = "support"    // a set, group or version that is not supported
	ClassGroupCode Class = "group_code" // a set in a group of another code
	ClassStructure Class = "structure"  // segments: unknown, missing, too many, in the wrong place
	ClassElement   Class = "element"    // elements: missing, of the wrong type or length
	ClassCode      Class = "code"       // a value that its code list lacks
)

// Action is what a partner's profile does about a class of faults.
type Action string

// The actions. The zero value rejects.
const (
	Reject Action = "reject"
	Accept Action = "accept" // accept with errors: processed, and reported in the acknowledgment
	Ignore Action = "ignore" // processed and not reported
)

// Classes lists the classes that an action can be set for. A missing trailer
// and what is not supported always reject.
func Classes() []Class {
	return []Class{ClassEnvelope, ClassPartner, ClassDuplicate, ClassControl, ClassCount, ClassGroupCode, ClassStructure, ClassElement, ClassCode}
}

// Fault is something wrong with an interchange, in the terms of the
// acknowledgment that reports it.
type Fault struct {
	Level      Level
	Class      Class
	Code       string // of the level's code list
	Segment    string // its name, as it was found or is missing
	Position   int    // of the segment in its set, ST is 1; 0 outside of sets
	Element    int    // in the segment, from 1; 0: the segment as a whole
	Component  int    // in a composite element, from 1; 0: none
	Repetition int    // of a repeating element, from 1; 0: none
	Reference  int    // data element number; 0: unknown
	Value      string // what was found, shortened to what AK404 may carry
	Detail     string // in words, with what to do
	Accepted   bool   // by the partner's profile, with errors
}

// Status is the verdict on a set, a group or an interchange.
type Status string

// The verdicts.
const (
	Accepted           Status = "accepted"
	AcceptedWithErrors Status = "accepted_with_errors"
	Rejected           Status = "rejected"
)

// statusOf is the verdict that follows from faults alone.
func statusOf(faults []Fault) Status {
	status := Accepted
	for i := range faults {
		if !faults[i].Accepted {
			return Rejected
		}
		status = AcceptedWithErrors
	}
	return status
}

// valueMax is the longest copy of a bad value that AK404 may carry.
const valueMax = 99

func shorten(s string) string { return cut(s, valueMax) }

// cut shortens text to at most so many bytes, and never inside a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
