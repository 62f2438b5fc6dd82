package postgres

import (
	"context"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
)

const (
	mappingInsert = `
		INSERT INTO mapping (id, company, system, kind, scope, value, valid_from, canonical, multiplier, unit, actor, at)
		SELECT * FROM $rows`

	mappingDelete = `DELETE FROM mapping AS m USING $rows AS n (id) WHERE m.id = n.id`

	mappings = `
		SELECT id, company, system, kind, scope, value, valid_from, canonical, multiplier, unit, actor, at FROM mapping
		WHERE id > $1 AND ($3 = '' OR system = $3) AND ($4 = '' OR kind = $4) AND ($5 = '' OR value = $5) AND ($6 = '' OR canonical = $6)
		ORDER BY id LIMIT $2`
)

func (w *writer) addMapping(m *identity.Mapping) {
	times := ""
	if !m.Multiplier.IsZero() {
		times = m.Multiplier.String()
	}
	w.sheet.mappingInsert.add().num(m.ID).text(m.Company).text(m.System).text(string(m.Kind)).text(m.Scope).text(m.Value).
		text(m.ValidFrom).text(m.Canonical).text(times).text(m.Unit).text(m.Actor).moment(m.At)
}

func (w *writer) addMappingEnd(id int64) { w.sheet.mappingDelete.add().num(id) }

// Mappings implements identity.Reader.
func (s *Store) Mappings(ctx context.Context, q identity.Query) ([]identity.Mapping, error) {
	ms, err := collect(ctx, s, mappings, scanMapping, q.After, limit(q.Limit), q.System, string(q.Kind), q.Value, q.Canonical)
	return ms, reading(err, "mappings")
}

func scanMapping(c *cells) (m identity.Mapping) {
	m.ID, m.Company, m.System, m.Kind, m.Scope, m.Value = c.num(), c.text(), c.text(), identity.Kind(c.text()), c.text(), c.text()
	m.ValidFrom, m.Canonical = c.text(), c.text()
	times := c.text()
	m.Unit, m.Actor, m.At = c.text(), c.text(), c.moment()
	if times != "" {
		var err error
		if m.Multiplier, err = waybill.ParseDecimal(times); err != nil {
			c.fail(fmt.Sprintf("the multiplier of mapping %d: %v", m.ID, err))
		}
	}
	return m
}
