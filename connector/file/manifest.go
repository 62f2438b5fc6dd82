// Package file connects a system that exchanges files: rows of CSV, of fixed
// width or of NDJSON, in a folder or on an SFTP server, described by a spec
// instead of by Go.
//
// What comes in: format.go and rows.go read rows, value.go turns cells into
// values, collect.go splits a file into messages and totals.go compares its
// control totals, translate.go makes events of them. What goes out: render.go
// turns a document into rows, outbox.go keeps them until their window closes,
// flush.go writes the batch, index.go knows what was sent. spec.go and batch.go read the spec.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// Name is the connector's name in the configuration.
const Name = "file"

// specSetting is the one setting.
const specSetting = "spec"

// Manifest describes what any such system can do; what one of them does, its
// spec says (see [connector.Description]).
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:        Name,
		Title:       "Files",
		Summary:     "Any system that exchanges CSV, fixed-width or NDJSON files in a folder or by SFTP, described by a spec instead of a program.",
		Roles:       waybill.Roles(),
		Emits:       fact.Types(),
		Accepts:     waybill.Kinds(),
		Idempotency: waybill.ByLookup,
		Files:       true,
		Settings: []connector.Setting{{Name: specSetting, Required: true, File: true,
			Doc: "the file that describes the system's files; a relative name begins at the configuration's folder"}},
		Open: open,
	}
}

// system is one configured system. Its methods are safe for concurrent use.
type system struct {
	*spec
	source fact.Source
	files  connector.Files
	now    func() time.Time
	boxes  map[string]*outbox // by batch; each guards itself
}

// open makes the connector of one system. A spec without feeds has no
// Collector, one without batches takes no documents.
func open(env connector.Env) (connector.Connector, error) {
	s := &system{source: fact.Source{System: env.System, Role: env.Role, OrderPrefix: env.OrderPrefix}, files: env.Files, now: env.Now}
	var err error
	if s.spec, err = loadSpec(env.Settings[specSetting]); err != nil {
		return connector.Connector{}, fmt.Errorf("system %s: %w", env.System, err)
	}
	c := connector.Connector{Described: s.described()}
	if len(s.feeds) > 0 {
		c.Translator = s
	}
	if len(s.byKind)+len(s.without) > 0 {
		c.Renderer = s
	}
	if env.Observe || env.Files == nil {
		return c, nil
	}
	if len(s.feeds) > 0 {
		c.Collector = s
	}
	c.Prober = s
	if c.Renderer != nil {
		c.Deliverer, c.Inquirer, c.Batcher = s, s, s
	}
	s.boxes = map[string]*outbox{}
	for name, b := range s.batches {
		s.boxes[name] = newOutbox(s, b)
	}
	return c, nil
}

// described is what the spec says in the manifest's place.
func (s *system) described() *connector.Description {
	d := &connector.Description{Idempotency: waybill.ByLookup, KeyTTL: s.remember, KeepsOrder: s.ordered, Revision: s.revision}
	for _, kind := range waybill.Kinds() {
		if s.byKind[kind] != nil || s.without[kind] {
			d.Accepts = append(d.Accepts, kind)
		}
	}
	return d
}

// Probe looks whether the place can be reached. Its generation is a mark that
// lies there: a place without the mark that it had before, an empty mount
// point or a restored backup, has forgotten what was sent.
func (s *system) Probe(ctx context.Context) (connector.Info, error) {
	info := connector.Info{System: s.source.System, Head: -1, Idempotency: waybill.ByLookup, KeepsOrder: s.ordered}
	if len(s.batches) == 0 {
		folder := s.Drops()[0].Folder
		err := s.files.List(ctx, folder, func(connector.FileInfo) error { return fs.SkipAll })
		if err != nil && !errors.Is(err, fs.SkipAll) {
			return info, fmt.Errorf("look into the folder %s: %w", folder, err)
		}
		return info, nil
	}
	name := path.Join(s.state, "generation")
	mark, err := readAll(ctx, s.files, name, 1<<10)
	if errors.Is(err, fs.ErrNotExist) {
		mark = []byte("g" + strconv.FormatInt(s.now().UnixNano(), 36))
		err = s.files.Write(ctx, name, bytes.NewReader(mark))
	}
	info.Generation = strings.TrimSpace(string(mark))
	return info, err
}

// unauthorized reports whether the place refused the credential, or showed
// another host key.
func unauthorized(err error) bool {
	var r *connector.Rejection
	return errors.As(err, &r) && r.Status == http.StatusUnauthorized
}
