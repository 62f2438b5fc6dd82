package tower

import (
	"testing"
	"time"
)

// What waits for a system is told with when it is gone, where that is known.
func TestFlow_BacklogSaysWhenItIsGone(t *testing.T) {
	s := System{Target: true, Backlog: DeliveryCounts{Ready: 1200, Waiting: 40}}
	if got := backlogWord(s); got != "1,240 waiting" {
		t.Errorf("without a forecast: %q", got)
	}
	s.Drain = 150 * time.Second
	if got, want := backlogWord(s), "1,240 waiting, "+duration(s.Drain); got != want {
		t.Errorf("with a forecast: %q, want %q", got, want)
	}
}
