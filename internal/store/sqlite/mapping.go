package sqlite

import (
	"context"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
)

const (
	mappingInsert = `
		INSERT INTO mapping (id, company, system, kind, scope, value, valid_from, canonical, multiplier, unit, actor, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	mappingDelete = `DELETE FROM mapping WHERE id = ?`

	mappingColumns = `SELECT id, company, system, kind, scope, value, valid_from, canonical, multiplier, unit, actor, at FROM mapping`

	// Lists take the same parameters: after, limit, system, kind, value, canonical.
	mappingsAll = mappingColumns + `
		WHERE id > ?1 AND (?3 = '' OR system = ?3) AND (?4 = '' OR kind = ?4) AND (?5 = '' OR value = ?5) AND (?6 = '' OR canonical = ?6)
		ORDER BY id LIMIT ?2`

	mappingsOfSystem = mappingColumns + ` INDEXED BY mapping_system
		WHERE system = ?3 AND id > ?1 AND (?4 = '' OR kind = ?4) AND (?5 = '' OR value = ?5) AND (?6 = '' OR canonical = ?6)
		ORDER BY id LIMIT ?2`

	mappingsOfKind = mappingColumns + ` INDEXED BY mapping_kind
		WHERE kind = ?4 AND id > ?1 AND (?3 = '' OR system = ?3) AND (?5 = '' OR value = ?5) AND (?6 = '' OR canonical = ?6)
		ORDER BY id LIMIT ?2`

	mappingsOfCanonical = mappingColumns + ` INDEXED BY mapping_canonical
		WHERE canonical = ?6 AND id > ?1 AND (?3 = '' OR system = ?3) AND (?4 = '' OR kind = ?4) AND (?5 = '' OR value = ?5)
		ORDER BY id LIMIT ?2`

	mappingsOfValue = mappingColumns + `
		WHERE value = ?5 AND id > ?1 AND (?3 = '' OR system = ?3) AND (?4 = '' OR kind = ?4) AND (?6 = '' OR canonical = ?6)
		ORDER BY id LIMIT ?2`
)

func (w *writer) insertMapping(ctx context.Context, m *identity.Mapping) error {
	times := ""
	if !m.Multiplier.IsZero() {
		times = m.Multiplier.String()
	}
	_, err := w.mappingInsert.exec(ctx, m.ID, m.Company, m.System, string(m.Kind), m.Scope, m.Value, m.ValidFrom, m.Canonical,
		times, m.Unit, m.Actor, micros(m.At))
	return writing(err, "the mapping of %s", m.Reference)
}

func (w *writer) deleteMapping(ctx context.Context, id *int64) error {
	n, err := w.mappingDelete.exec(ctx, *id)
	return one(n, err, "remove mapping %d", *id)
}

// Mappings implements identity.Reader.
func (s *Store) Mappings(ctx context.Context, q identity.Query) ([]identity.Mapping, error) {
	st := s.mappingsAll
	switch {
	case q.Value != "":
		st = s.mappingsOfValue
	case q.Canonical != "":
		st = s.mappingsOfCanonical
	case q.System != "":
		st = s.mappingsOfSystem
	case q.Kind != "":
		st = s.mappingsOfKind
	}
	ms, err := collect(ctx, st, scanMapping, q.After, limit(q.Limit), q.System, string(q.Kind), q.Value, q.Canonical)
	return ms, reading(err, "mappings")
}

func scanMapping(r row) (m identity.Mapping, err error) {
	var times string
	if err = r.Scan(&m.ID, &m.Company, &m.System, &m.Kind, &m.Scope, &m.Value, &m.ValidFrom, &m.Canonical, &times, &m.Unit, &m.Actor, toTime{&m.At}); err != nil {
		return m, err
	}
	if times != "" {
		if m.Multiplier, err = waybill.ParseDecimal(times); err != nil {
			return m, fmt.Errorf("the multiplier of mapping %d: %w", m.ID, err)
		}
	}
	return m, nil
}
