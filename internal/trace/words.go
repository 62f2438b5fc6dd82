package trace

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// words writes a snake_case name as words.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// capital begins a sentence.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

// title is a document's kind at the beginning of a sentence.
func title(k waybill.Kind) string { return capital(words(string(k))) }

// join writes the parts that are not empty, a colon between them.
func join(parts ...string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ": ")
}

func actor(name string) string {
	if name == "" {
		return "An operator"
	}
	return capital(name)
}

// eventTitle says what a system reported: "Shipment SH-1 confirmed". The name
// of a type is the thing and what happened to it.
func eventTitle(ev *ledger.Event) string {
	thing, what, _ := strings.Cut(string(ev.Type), ".")
	thing, what = capital(words(thing)), words(what)
	switch ev.Type {
	case waybill.OrderPlaced:
		return "Order placed"
	case waybill.OrderChanged:
		return fmt.Sprintf("Order changed, version %d", ev.Version)
	case waybill.OrderCancelRequested:
		return "Cancellation " + ev.Subject + " requested"
	}
	if ev.Subject != "" && len(ev.Subject) < waybill.KeyLength {
		thing += " " + ev.Subject
	}
	return thing + " " + what
}

// decisionTitle says what was decided: "Send invoice to erp".
func decisionTitle(d *decided, byKey map[string]Delivery) string {
	var parts []string
	for _, a := range d.Add {
		parts = append(parts, "send "+words(string(a.Kind))+" to "+a.Target)
	}
	for _, key := range d.Withdraw {
		parts = append(parts, "withdraw "+named(byKey, key))
	}
	for _, key := range d.Skip {
		parts = append(parts, "take "+named(byKey, key)+" out of its lane")
	}
	return capital(strings.Join(parts, ", "))
}

func named(byKey map[string]Delivery, key string) string {
	d, ok := byKey[key]
	if !ok {
		return "document " + key
	}
	return words(string(d.Kind)) + " to " + d.Target
}

// reasons lists the rules that asked for documents, each once.
func reasons(d *decided) string {
	var out []string
	seen := map[string]bool{"": true}
	for _, a := range d.Add {
		if !seen[a.Why] {
			seen[a.Why] = true
			out = append(out, a.Why)
		}
	}
	for _, why := range d.Why {
		if !seen[why] {
			seen[why] = true
			out = append(out, why)
		}
	}
	return strings.Join(out, "; ")
}

// receiptTitle says what became of a document, in the system's name or in that
// of the person who decided it.
func receiptTitle(d Delivery, r process.Settled, ref string) string {
	document := title(d.Kind)
	if d.Kind == "" {
		document = "Document " + r.Key
	}
	by := d.Target
	if r.By != "" {
		by = r.By
	}
	switch r.Outcome {
	case process.OutcomeDone, process.OutcomePartial:
		out := document + " taken by " + by
		if ref != "" {
			out += " as " + ref
		}
		if r.Outcome == process.OutcomePartial {
			out += ", not with all its lines"
		}
		return out
	case process.OutcomePending:
		return document + " received by " + by + ", not applied yet"
	case process.OutcomeAbsent:
		return document + " not found at " + by
	}
	return document + " " + string(r.Outcome) + " by " + by
}
