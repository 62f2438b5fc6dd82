package main

import (
	"bufio"
	"errors"
	"io"
	"os"

	"github.com/waybillhq/waybill/edi/x12"
)

// ediAnswers are the acknowledgments of a reading, in a temporary file: those of
// a large file would not fit into the memory that its reading takes.
type ediAnswers struct {
	spool, texts *os.File
	ends         []int64 // where each text ends
}

func newAnswers() (a *ediAnswers, err error) {
	a = &ediAnswers{}
	for _, f := range []**os.File{&a.spool, &a.texts} {
		if *f, err = os.CreateTemp("", "waybill-edi-"); err != nil {
			a.close()
			return nil, err
		}
	}
	return a, nil
}

// close removes the files; a leftover in the temporary folder harms nobody.
func (a *ediAnswers) close() {
	for _, f := range []*os.File{a.spool, a.texts} {
		if f != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}
}

// add keeps one as it goes on the wire.
func (a *ediAnswers) add(o x12.Outgoing) error {
	w := bufio.NewWriter(a.texts)
	if err := errors.Join(o.Write(w), w.Flush()); err != nil {
		return err
	}
	end, err := a.texts.Seek(0, io.SeekCurrent)
	a.ends = append(a.ends, end)
	return err
}

// all hands them over one after the other.
func (a *ediAnswers) all(yield func(io.Reader) bool) {
	begin := int64(0)
	for _, end := range a.ends {
		if !yield(io.NewSectionReader(a.texts, begin, end-begin)) {
			return
		}
		begin = end
	}
}
