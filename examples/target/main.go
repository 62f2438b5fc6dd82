// Command target is the smallest pair of systems that speak the system
// contract, an ERP at /erp and a warehouse at /wms, each with a book in memory.
// It is written from docs/reference/system-contract.md alone and uses nothing
// of Waybill: read it beside the contract before connecting a system of your
// own. The tutorial in docs/tutorial/first-order.md runs it.
//
// Each system answers T1 (take a document), T2 (is it there?), T3 (who are
// you?) and T4 (the journal). Because the books are in memory, a restart is
// what the contract calls a rewind, and Waybill says so.
//
// POST /wms/ship/{order} lets the warehouse ship what it was asked for: it
// pushes shipment.confirmed to Waybill, signed (W1).
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "host:port to serve on")
	waybill := flag.String("waybill", "http://127.0.0.1:8080", "where Waybill listens")
	file := flag.String("secrets", "secrets.json", "the secrets file that Waybill uses too")
	flag.Parse()
	log.SetFlags(0)

	handler, err := systems(*file, *waybill)
	if err != nil {
		log.Fatal("target: ", err)
	}
	log.Printf("erp and wms listen on http://%s/erp and /wms", *listen)
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal("target: ", server.ListenAndServe())
}

// systems makes both systems with the credentials of the secrets file.
func systems(file, waybill string) (http.Handler, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, name := range []string{"erp", "wms"} {
		var s secrets
		if err := json.Unmarshal(members[name], &s); err != nil {
			return nil, err
		}
		b := newBook(name, s.Token)
		mux.HandleFunc("POST /"+name+"/v1/documents", b.guard(b.take))               // T1
		mux.HandleFunc("GET /"+name+"/v1/documents/by-key/{key}", b.guard(b.lookUp)) // T2
		mux.HandleFunc("GET /"+name+"/v1/info", b.guard(b.info))                     // T3
		mux.HandleFunc("GET /"+name+"/v1/journal", b.guard(b.journal))               // T4
		if name == "wms" {
			w := &warehouse{book: b, waybill: waybill, secret: s.WebhookSecret}
			mux.HandleFunc("POST /wms/ship/{order}", w.ship)
		}
	}
	return mux, nil
}

// secrets is what the secrets file holds for a system.
type secrets struct {
	Token         string `json:"token"`
	WebhookSecret string `json:"webhook_secret"`
}
