package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to four times what is live before it is
// collected: most of what an order needs is short-lived, and the live part is
// small. GOGC, where set, has the last word.
const gcPercent = 300

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
