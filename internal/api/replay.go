package api

import (
	"context"
	"net/http"
	"time"

	"github.com/waybillhq/waybill/internal/replay"
)

// Replayer reads messages again (C8). Start begins and returns an id at once; a
// request that can't be carried out is a [*waybill.Error]. Get answers with what
// marshals as C8 shows it, or [store.ErrNotFound].
type Replayer interface {
	Start(ctx context.Context, r replay.Request) (id string, err error)
	Get(ctx context.Context, id string) (any, error)
}

// replayBody asks for a replay (C8). A window may be open at one end; with an
// order, its messages of the window are read.
type replayBody struct {
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Order  string    `json:"order,omitzero"`
	DryRun bool      `json:"dry_run"`         // absent: true
	Reason string    `json:"reason,omitzero"` // of a live replay
}

// replayed is C8, as the Replayer answers it.
type replayed struct {
	ID          string              `json:"id"`
	State       string              `json:"state"` // running, done, failed
	Error       string              `json:"error,omitzero"`
	DryRun      bool                `json:"dry_run"`
	Progress    replay.Progress     `json:"progress"`
	Messages    int                 `json:"messages"`
	Changed     int                 `json:"changed"`
	Orders      int                 `json:"orders"`
	Quarantined int                 `json:"quarantined"`
	Skipped     int                 `json:"skipped"`
	Documents   int                 `json:"documents"`
	Different   int                 `json:"differences"`
	Truncated   bool                `json:"truncated"`
	WouldSend   []replay.Document   `json:"would_send"`
	Differs     []replay.Difference `json:"differs"`
}

func (a *API) replay(c *call) error {
	body := replayBody{DryRun: true}
	if err := c.read(&body); err != nil {
		return err
	}
	name, err := a.Replayer.Start(c.Context(), replay.Request{From: body.From, To: body.To, Order: body.Order,
		Live: !body.DryRun, Actor: c.actor.Name, Reason: body.Reason})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/replays/"+name)
	return c.write(http.StatusAccepted, started{ID: name})
}

func (a *API) replayed(c *call) error {
	found, err := a.Replayer.Get(c.Context(), c.PathValue("id"))
	if err != nil {
		return err
	}
	return c.write(http.StatusOK, found)
}
