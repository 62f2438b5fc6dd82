// Command 3pl-rest is a warehouse of somebody else, with an API that knows
// nothing of Waybill: consignments and dispatches, quantities as JSON numbers,
// an answer of 200 to everything that it understood, and a signature of its own
// on what it pushes. Its books are in memory.
//
// Beside it stand the two files that connect it, depot.yaml and
// depot.mapping.yaml, and the examples that the mapping is tested by. The
// how-to docs/how-to/connect-by-rest.md walks through them.
//
// POST /floor/dispatch/{order} lets the depot ship what it was asked for.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9200", "host:port to serve on")
	hook := flag.String("hook", "http://127.0.0.1:8080/in/depot", "where it pushes to")
	keyFile := flag.String("key-file", "depot-key", "file with the API key that its customers send")
	secretFile := flag.String("secret-file", "depot-webhook-secret", "file with the secret that signs its pushes")
	flag.Parse()
	log.SetFlags(0)
	key, err := os.ReadFile(*keyFile)
	if err != nil {
		log.Fatal("depot: ", err)
	}
	secret, err := os.ReadFile(*secretFile)
	if err != nil {
		log.Fatal("depot: ", err)
	}
	d := newDepot(strings.TrimSpace(string(key)), strings.TrimSpace(string(secret)), *hook)
	log.Printf("the depot listens on http://%s", *listen)
	server := &http.Server{Addr: *listen, Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal("depot: ", server.ListenAndServe())
}
