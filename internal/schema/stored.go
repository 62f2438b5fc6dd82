package schema

import (
	"fmt"

	"github.com/waybillhq/waybill"
)

// Upcast turns an event's data of one version into that of the next. It is
// pure, and keeps fields that it does not know.
type Upcast func(data []byte) ([]byte, error)

// Formats knows how stored data of an event type came to its current shape:
// the step at place n leads from version n+1 to n+2. A type without steps has
// version 1. Steps are added at the end and never taken out: data of every
// version ever written stays readable.
type Formats map[waybill.EventType][]Upcast

// stored are the steps of this version of the program.
var stored = Formats{}

// Stored is how this version of the program reads what any before it wrote.
func Stored() Formats { return stored }

// Version is the version in which data of the type is written now.
func (f Formats) Version(t waybill.EventType) int {
	if len(f) == 0 { // while all are first versions, nobody pays for the look-up
		return 1
	}
	return 1 + len(f[t])
}

// Current brings data that was written in a version into the current one. Data
// of the current version comes back as it is. A version above it was written
// by a newer program: that is an error, and nothing is guessed.
func (f Formats) Current(t waybill.EventType, version int, data []byte) ([]byte, error) {
	now := f.Version(t)
	if version == now {
		return data, nil
	}
	if version < 1 || version > now {
		return nil, fmt.Errorf("data of %s has schema version %d, and this program knows 1 to %d: run the version of Waybill that wrote it, or a newer one",
			t, version, now)
	}
	for v := version; v < now; v++ {
		next, err := f[t][v-1](data)
		if err != nil {
			return nil, fmt.Errorf("bring data of %s from schema version %d to %d: %w", t, v, v+1, err)
		}
		data = next
	}
	return data, nil
}
