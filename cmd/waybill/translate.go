package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/all"
)

// translation is what a payload would become.
type translation struct {
	Connector string          `json:"connector"`
	Status    string          `json:"status"` // accepted, quarantined
	Reason    string          `json:"reason,omitempty"`
	Events    []waybill.Event `json:"events"`
}

func translateCommand() *cobra.Command {
	var name, file, headers, role, prefix string
	var settings map[string]string
	var asJSON bool
	c := &cobra.Command{
		Use:   "translate --connector NAME --file F",
		Short: "Show what a payload would become; nothing is stored",
		Long: "Show which events a payload would become, or why it can't be understood. Nothing is\n" +
			"stored and no signature is asked for. --headers names a file with the request's headers\n" +
			"(one \"Name: value\" a line), where they matter; - reads standard input.",
		Example: "  waybill translate --connector contract --role wms --file shipment.json\n" +
			"  waybill translate --connector shopify --file order.json --headers headers.txt --json\n" +
			"  waybill translate --connector rest --set spec=depot.yaml --role wms --file push.json",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, ok := all.Registry()[name]
			if !ok {
				return usagef("--connector %q: there is none of that name; choose one of %s", name, strings.Join(all.Registry().Names(), ", "))
			}
			if role != "" && !slices.Contains(m.Roles, waybill.Role(role)) {
				return usagef("--role %q: a system with the connector %s can't have it; choose one of %s", role, name, roleNames(m))
			}
			body, err := readInput(c.InOrStdin(), file)
			if err != nil {
				return usagef("--file: %w", err)
			}
			header, err := readHeaders(headers)
			if err != nil {
				return usagef("--headers: %w", err)
			}
			t, err := translate(m, waybill.Role(role), prefix, settings, header, body)
			if err != nil {
				return err
			}
			if err := t.print(c.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if t.Status != "accepted" {
				return errFinding
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&name, "connector", "", "the connector that would receive it")
	f.StringVar(&file, "file", "-", "the payload; - is standard input")
	f.StringVar(&headers, "headers", "", "file with the request's headers")
	f.StringVar(&role, "role", "", "the role of the system it comes from; the connector's first, where empty")
	f.StringVar(&prefix, "order-prefix", "", "the channel's order prefix")
	f.StringToStringVar(&settings, "set", nil, "a setting of the connector, NAME=VALUE")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// roleNames lists the roles that a connector's systems may have.
func roleNames(m connector.Manifest) string {
	names := make([]string, len(m.Roles))
	for i, r := range m.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

func translate(m connector.Manifest, role waybill.Role, prefix string, given map[string]string, header http.Header, body []byte) (translation, error) {
	t := translation{Connector: m.Name, Status: "accepted", Events: []waybill.Event{}}
	if role == "" {
		role = m.Roles[0]
	}
	settings := map[string]string{}
	for _, s := range m.Settings {
		settings[s.Name] = s.Default
		if v, ok := given[s.Name]; ok {
			settings[s.Name] = v
		} else if s.File && s.Required {
			return t, usagef("the connector %s needs --set %s=…: %s", m.Name, s.Name, s.Doc)
		}
	}
	conn, err := m.Open(connector.Env{System: m.Name, Role: role, OrderPrefix: prefix, Settings: settings, Now: time.Now, Observe: true})
	if err != nil {
		return t, fmt.Errorf("open connector %s: %w", m.Name, err)
	}
	if conn.Translator == nil {
		return t, usagef("connector %s takes no messages", m.Name)
	}
	events, err := conn.Translator.Translate(connector.Message{System: m.Name, Topic: topicOf(header), Header: header, Body: body, ReceivedAt: time.Now().UTC()})
	var not *connector.Untranslatable
	switch {
	case errors.As(err, &not):
		t.Status, t.Reason = "quarantined", not.Error()
	case err != nil:
		return t, err
	case len(events) == 0:
		t.Reason = "understood; it says nothing that is tracked"
	default:
		t.Events = events
	}
	return t, nil
}

// topicOf finds the sender's name for a message among the headers.
func topicOf(h http.Header) string {
	for name, values := range h {
		if strings.HasSuffix(strings.ToLower(name), "-topic") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func (t translation) print(out io.Writer, asJSON bool) error {
	data, err := waybill.Marshal(t)
	if err != nil {
		return err
	}
	if asJSON {
		v := jsontext.Value(data)
		if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, string(v))
		return err
	}
	if t.Reason != "" {
		if _, err := fmt.Fprintf(out, "%s: %s\n", t.Status, t.Reason); err != nil {
			return err
		}
	}
	for _, e := range t.Events {
		v := jsontext.Value(e.Data).Clone()
		if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s %s (version %d of %s)\n%s\n", e.Type, e.Ref, e.Version, e.Subject, v); err != nil {
			return err
		}
	}
	return nil
}

func readInput(in io.Reader, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(file)
}

func readHeaders(file string) (http.Header, error) {
	h := http.Header{}
	if file == "" {
		return h, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b = append(bytes.TrimSpace(b), "\r\n\r\n"...)
	m, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(b))).ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("%s: want one \"Name: value\" a line: %w", file, err)
	}
	return http.Header(m), nil
}
