package api

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// reconcileBody asks for a reconciliation (C9).
type reconcileBody struct {
	System string    `json:"system"`
	AsOf   time.Time `json:"as_of,omitzero"` // absent: now
}

// started names a job that runs on.
type started struct {
	ID string `json:"id"`
}

// reconciliation is C9, as the Reconciler answers it.
type reconciliation struct {
	State           string   `json:"state"`
	MissingInTarget []string `json:"missing_in_target"`
	UnknownInTarget []int64  `json:"unknown_in_target"`
	Duplicate       []string `json:"duplicate"`
	Differs         []string `json:"differs"`
	Breaks          []struct {
		Control  string `json:"control"`
		Order    string `json:"order"`
		Line     string `json:"line"`
		Qty      string `json:"qty"`
		Money    string `json:"money"`
		Currency string `json:"currency"`
		Since    string `json:"since"`
		Cause    string `json:"cause"`
		Action   string `json:"action"`
	} `json:"breaks"`
}

func (a *API) reconcile(c *call) error {
	var body reconcileBody
	if err := c.read(&body); err != nil {
		return err
	}
	if body.System == "" {
		return reject(http.StatusBadRequest, "system_missing", "/system", "it is not said what to reconcile", "name a system of the configuration")
	}
	name, err := a.Reconciler.Start(c.Context(), body.System, body.AsOf)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/reconciliations/"+name)
	return c.write(http.StatusAccepted, started{ID: name})
}

func (a *API) reconciliation(c *call) error {
	found, err := a.Reconciler.Get(c.Context(), c.PathValue("id"))
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, found)
}

// auditEntry is C10. Prev and hash are hexadecimal: each hash binds the entry
// before it.
type auditEntry struct {
	Seq    int64          `json:"seq"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor"`
	Action string         `json:"action"`
	Object string         `json:"object"`
	Reason string         `json:"reason"`
	Before jsontext.Value `json:"before"` // null where nothing is known
	After  jsontext.Value `json:"after"`
	Prev   string         `json:"prev"`
	Hash   string         `json:"hash"`
}

func (a *API) audit(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	rows, err := a.Store.AuditAfter(c.Context(), after, limit+1)
	if err != nil {
		return err
	}
	rows, more := cut(rows, limit)
	page, next := make([]auditEntry, len(rows)), int64(0)
	for i, e := range rows {
		next = e.Seq
		page[i] = auditEntry{Seq: e.Seq, At: e.At, Actor: e.Actor, Action: e.Action, Object: e.Object, Reason: e.Reason,
			Before: orNull(e.Before), After: orNull(e.After), Prev: hex.EncodeToString(e.Prev[:]), Hash: hex.EncodeToString(e.Hash[:])}
	}
	return writeList(c, page, more, next)
}

func orNull(b []byte) jsontext.Value {
	if len(b) == 0 {
		return jsontext.Value("null")
	}
	return b
}
