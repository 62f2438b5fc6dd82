package file

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/waybillhq/waybill"
)

// totals says where a file's control totals are, by which a sender vouches
// that the file is whole.
type totals struct {
	trailer   string // the first cell of the row that holds them
	companion bool   // they are the one row of the companion
	columns   bool   // every row repeats them
	rows      string // a cell's number from 1, or a column's name
	groups    string
	sums      []columnSum
}

type columnSum struct{ column, at string }

// tally counts what a file holds, and compares it with what it says it does.
type tally struct {
	of     *totals
	rows   int64
	groups int64
	sums   []waybill.Decimal
	said   *row // that holds the totals
	saidIn *table
}

func newTally(of *totals) *tally {
	y := &tally{of: of}
	if of != nil {
		y.sums = make([]waybill.Decimal, len(of.sums))
	}
	return y
}

// isTrailer reports whether a row is the one with the totals.
func (y *tally) isTrailer(r *row) bool {
	return y.of != nil && y.of.trailer != "" && len(r.cells) > 0 && r.cells[0] == y.of.trailer
}

// add counts a row.
func (y *tally) add(t *table, r *row) error {
	y.rows++
	if y.of == nil {
		return nil
	}
	if y.of.columns {
		y.said, y.saidIn = r, t
	}
	for i, s := range y.of.sums {
		text, err := t.cell(r, s.column)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		d, err := t.f.number(text, 0)
		if err != nil {
			return wrongf(r.line, s.column, "it is summed for the control total: %v", err)
		}
		y.sums[i] = y.sums[i].Add(d)
	}
	return nil
}

// compare finds the totals and names the first figure that differs.
func (y *tally) compare(f *format, companion []byte) error {
	if y.of == nil {
		return nil
	}
	if y.of.companion {
		plain := *f
		plain.kind, plain.header, plain.columns = kindCSV, false, nil
		t, err := openTable(&plain, bytes.NewReader(companion), 1)
		if err != nil {
			return err
		}
		if y.said, err = t.next(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		y.saidIn = t
	}
	if y.said == nil {
		if y.of.columns && y.rows == 0 {
			return nil
		}
		return wrongf(int(y.rows)+1, "", "the control totals are missing after %d rows; was the file cut?", y.rows)
	}
	if err := y.compareOne("rows", y.of.rows, waybill.NewDecimal(y.rows), f); err != nil {
		return err
	}
	if err := y.compareOne("groups", y.of.groups, waybill.NewDecimal(y.groups), f); err != nil {
		return err
	}
	for i, s := range y.of.sums {
		if err := y.compareOne("sum of "+s.column, s.at, y.sums[i], f); err != nil {
			return err
		}
	}
	return nil
}

func (y *tally) compareOne(what, at string, counted waybill.Decimal, f *format) error {
	if at == "" {
		return nil
	}
	text, column := "", ""
	if y.of.columns {
		column = at
		var err error
		if text, err = y.saidIn.cell(y.said, at); err != nil {
			return err
		}
	} else if n, err := strconv.Atoi(at); err == nil && n <= len(y.said.cells) {
		text = y.said.cells[n-1]
	}
	said, err := f.number(text, 0)
	if err != nil {
		return wrongf(y.said.line, column, "control total, %s: %v", what, err)
	}
	if !said.Equal(counted) {
		return wrongf(y.said.line, column, "control total, %s: the file says %s and holds %s; have it sent again, whole", what, said, counted)
	}
	return nil
}
