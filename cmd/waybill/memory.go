package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to four times what is live before it is
// collected: most of what an order needs is short-lived, and the live part is
// small. GOGC, where set, has the last word.
const gcPercent = 300

// frugalBytes is the memory beyond which a frugal verb collects garbage as often
// as it takes.
const frugalBytes = 32 << 20

// frugal keeps the heap of a verb small that reads files of any size: what it
// holds at a time is small, and only garbage grows. GOMEMLIMIT, where set, has
// the last word. restore undoes it.
func frugal() (restore func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(frugalBytes)
	return func() { debug.SetMemoryLimit(before) }
}

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
