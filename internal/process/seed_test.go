package process

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// walkSeed makes the random walks of "make test" the same on every machine, so
// that a red run says something of the change and not of the day. "make walks"
// takes another seed each time and walks for longer.
const walkSeed = "20261123"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		if err := flag.Set("rapid.seed", walkSeed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}
