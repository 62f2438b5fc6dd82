package process

import (
	"fmt"
	"strconv"
)

// Fetch attaches everything that [Sales.Missing] lists, reading the data of
// each event by its id.
func (s *Sales) Fetch(read func(event int64) ([]byte, error)) error {
	for _, id := range s.Missing() {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return fmt.Errorf("the state names event %q, which is no event id", id)
		}
		data, err := read(n)
		if err != nil {
			return fmt.Errorf("read event %d: %w", n, err)
		}
		if err := s.Attach(id, data); err != nil {
			return fmt.Errorf("attach event %d: %w", n, err)
		}
	}
	return nil
}
