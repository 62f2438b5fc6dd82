package mapping

import (
	"context"
	"fmt"
	"time"
)

// meter counts what a run costs: it is the context that the interpreter asks
// at every step. The budget is counted and not timed, so that the same input
// ends the same way everywhere and for ever.
type meter struct {
	steps int
	work  int
	stop  <-chan struct{}
	err   error
}

// closed is what Done gives once a run is over its budget.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (m *meter) start(stop <-chan struct{}) { *m = meter{stop: stop} }

// Done is asked before every step of the interpreter.
func (m *meter) Done() <-chan struct{} {
	m.steps++
	if m.err == nil && m.steps > stepsMax {
		m.err = fmt.Errorf("it takes more than %d steps; a loop in it may have no end", stepsMax)
	}
	if m.err == nil && m.steps&1023 == 0 && m.stop != nil {
		select {
		case <-m.stop:
			m.err = context.Canceled
		default:
		}
	}
	if m.err != nil {
		return closed
	}
	return nil
}

// Err says why the run is over.
func (m *meter) Err() error { return m.err }

// Deadline is none: the budget is counted.
func (m *meter) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value holds nothing.
func (m *meter) Value(any) any { return nil }

// charge books bytes that a function reads or makes. Once over, the run ends
// at its next step, whatever the program would catch.
func (m *meter) charge(bytes int) error {
	if m.work += bytes; m.work > workMax || m.work < 0 {
		m.work = workMax + 1
		m.err = fmt.Errorf("its functions read and make more than %d bytes", workMax)
	}
	return m.err
}

// weigh is the function around those of jq that read or make text and lists.
func (m *meter) weigh(v any, _ []any) any {
	cost := 0
	switch v := v.(type) {
	case string:
		cost = len(v)
	case []any:
		cost = 16 * len(v)
	case map[string]any:
		cost = 48 * len(v)
	}
	if err := m.charge(cost); err != nil {
		return err
	}
	return v
}
