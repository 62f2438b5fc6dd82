package identity

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
)

// Columns are those of a sheet of mappings, in the order of an export. Of an
// import, kind, value and canonical must be there, in any order.
var Columns = []string{"kind", "company", "system", "scope", "value", "valid_from", "canonical", "multiplier", "unit"}

// Row is one line of a sheet; Err says what is wrong with it.
type Row struct {
	Line int // of the file, from 1
	Mapping
	Err error
}

// RowsMax bounds one sheet.
const RowsMax = 100_000

// WriteSheet writes mappings as CSV (RFC 4180), so that reading it again gives
// the same.
func WriteSheet(w io.Writer, all []Mapping) error {
	out := csv.NewWriter(w)
	if err := out.Write(Columns); err != nil {
		return err
	}
	for i := range all {
		m := &all[i]
		times := ""
		if !m.Multiplier.IsZero() {
			times = m.Multiplier.String()
		}
		if err := out.Write([]string{string(m.Kind), m.Company, m.System, m.Scope, m.Value, m.ValidFrom, m.Canonical, times, m.Unit}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// ReadSheet reads what [WriteSheet] wrote, or a person. A line that is wrong has
// an error of its own; a file that is no sheet is a [*waybill.Error].
func ReadSheet(r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	head, err := in.Read()
	if err != nil {
		return nil, noSheet(err)
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff") // a spreadsheet's mark
	for i, name := range head {
		if head[i] = strings.ToLower(strings.TrimSpace(name)); !slices.Contains(Columns, head[i]) || slices.Contains(head[:i], head[i]) {
			return nil, &waybill.Error{Code: "invalid", Detail: fmt.Sprintf("the sheet has a column %.40q", name),
				Fix: "each once, of: " + strings.Join(Columns, ", ")}
		}
	}
	for _, must := range []string{"kind", "value", "canonical"} {
		if !slices.Contains(head, must) {
			return nil, &waybill.Error{Code: "invalid", Detail: "the sheet has no column " + must, Fix: "the first line names the columns: " + strings.Join(Columns, ", ")}
		}
	}
	var rows []Row
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, noSheet(err)
		}
		if len(rows) == RowsMax {
			return nil, &waybill.Error{Code: "too_long", Detail: fmt.Sprintf("the sheet has more than %d lines", RowsMax), Fix: "send it in parts"}
		}
		line, _ := in.FieldPos(0)
		rows = append(rows, readRow(line, head, cells))
	}
}

func noSheet(err error) error {
	return &waybill.Error{Code: "invalid", Detail: "the sheet can't be read: " + err.Error(), Fix: "send CSV with commas and the columns " + strings.Join(Columns, ", ")}
}

func readRow(line int, head, cells []string) Row {
	r := Row{Line: line}
	for i, name := range head {
		value := strings.TrimSpace(cells[i])
		switch name {
		case "kind":
			r.Kind = Kind(value)
		case "company":
			r.Company = value
		case "system":
			r.System = value
		case "scope":
			r.Scope = value
		case "value":
			r.Value = value
		case "valid_from":
			r.ValidFrom = value
		case "canonical":
			r.Canonical = value
		case "unit":
			r.Unit = value
		case "multiplier":
			if value == "" {
				break
			}
			times, err := waybill.ParseDecimal(value)
			if err != nil {
				r.Err = &waybill.Error{Code: "invalid", Field: "/multiplier", Detail: err.Error(), Fix: "write it like 12 or 0.5"}
			} else if !exact(times) || times.Sign() <= 0 {
				r.Err = &waybill.Error{Code: "invalid", Field: "/multiplier", Detail: value + " is no decimal above zero", Fix: "write it like 12 or 0.5"}
			}
			r.Multiplier = times
		}
	}
	if r.Err == nil {
		r.Err = r.Check()
	}
	return r
}

// Effect says what a line of an import does.
type Effect string

// The effects of a line.
const (
	Maps    Effect = "map"   // it is new
	Known   Effect = "known" // it says what is in force already
	Refused Effect = "refused"
)

// Plan says of each line what importing it would do, by what is in force and by
// the lines before it. It changes nothing.
func (b *Book) Plan(rows []Row) []Effect {
	trial := NewBook()
	out := make([]Effect, len(rows))
	for i := range rows {
		r := &rows[i]
		if r.Err == nil {
			if old := b.Conflict(&r.Mapping); old != nil {
				r.Err = Taken(old, &r.Mapping)
			} else if old := trial.Conflict(&r.Mapping); old != nil {
				r.Err = Taken(old, &r.Mapping)
			}
		}
		switch {
		case r.Err != nil:
			out[i] = Refused
		case b.Holds(&r.Mapping) || trial.Holds(&r.Mapping):
			out[i] = Known
		default:
			out[i] = Maps
			trial.put(r.Mapping)
		}
	}
	return out
}
