package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/waybillhq/waybill/connector"
)

// Probe asks for the system's health by the spec's path. Its clock is the Date
// of the answer; a journal it has none.
func (s *system) Probe(ctx context.Context) (connector.Info, error) {
	path, err := s.probe.path.address(func(word string) (string, error) { return "", missingPlace(word) })
	if err != nil {
		return connector.Info{}, err
	}
	a, err := s.call(ctx, request{Method: http.MethodGet, Path: path}.http(s.base))
	var refused *refusedError
	switch {
	case errors.As(err, &refused), err == nil && a.Status == http.StatusUnauthorized:
		return connector.Info{}, connector.Reject(http.StatusUnauthorized, "unauthorized", "",
			fmt.Sprintf("system %s refuses Waybill's credential", s.source.System), "renew the system's token, then resume the system")
	case err != nil:
		return connector.Info{}, fmt.Errorf("probe system %s: %w", s.source.System, err)
	case a.Status != http.StatusOK:
		return connector.Info{}, fmt.Errorf("probe system %s: it answered %s", s.source.System, a.Words())
	}
	v, isJSON := view(a)
	if !isJSON {
		return connector.Info{}, fmt.Errorf("probe system %s: the answer is no JSON; check the system's base URL", s.source.System)
	}
	if s.probe.when != nil {
		held, err := s.probe.when.Holds(nil, v)
		if err == nil && !held {
			err = errors.New("the spec's condition does not hold")
		}
		if err != nil {
			return connector.Info{}, fmt.Errorf("probe system %s: the answer is not that of a healthy system: %w", s.source.System, err)
		}
	}
	info := connector.Info{System: s.source.System, Head: -1, Idempotency: s.idempotency, KeyTTL: s.keyTTL, KeepsOrder: s.keepsOrder}
	if at, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		info.Now = at
	}
	return info, nil
}
