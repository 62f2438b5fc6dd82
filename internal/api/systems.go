package api

import (
	"net/http"
	"time"

	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/lane"
)

// systemsBody lists the systems in the order of the configuration.
type systemsBody struct {
	Systems []systemState `json:"systems"`
}

// systemState is what limits a system now, and when what waits for it is gone.
type systemState struct {
	Name       string         `json:"name"`
	Role       string         `json:"role"`
	Paused     string         `json:"paused"`  // why nothing goes to it: operator, unauthorized, misconfigured, refusals, target_rewind, not_configured; empty: it is not paused
	Breaker    string         `json:"breaker"` // closed, open
	Until      *time.Time     `json:"until"`   // nothing goes to it before: it asked to wait
	UnderWay   int            `json:"under_way"`
	Room       int            `json:"room"` // requests that may be under way at once now
	Deliveries deliveryCounts `json:"deliveries"`
	PerSecond  float64        `json:"per_second"` // documents it takes while some wait; 0: not known yet
	DrainS     *float64       `json:"drain_s"`    // seconds until what is on its way is gone; null: not known
}

func systemRoutes() []Route {
	return []Route{{Method: "GET", Path: "/api/v1/systems", Role: auth.Viewer, Tag: "systems", Family: System,
		Summary: "What limits each system now, what waits for it, and when that is gone", answers: ok(systemsBody{}), serve: (*API).systems}}
}

func (a *API) systems(c *call) error {
	st, err := a.Engine.Status(c.Context())
	if err != nil {
		return err
	}
	out := systemsBody{Systems: []systemState{}}
	for _, s := range st.Systems {
		n := s.Open
		one := systemState{Name: s.Name, Role: string(s.Role), Paused: s.Paused, Breaker: s.Breaker, Until: moment(s.Until), UnderWay: s.UnderWay, Room: s.Room,
			Deliveries: deliveryCounts{Ready: n[lane.Ready], InFlight: n[lane.InFlight], InDoubt: n[lane.InDoubt], Waiting: n[lane.Waiting], Parked: n[lane.Parked]},
			PerSecond:  float64(int64(s.PerSecond*1000+0.5)) / 1000}
		if s.PerSecond > 0 {
			seconds := float64(s.Drain.Milliseconds()) / 1000
			one.DrainS = &seconds
		}
		out.Systems = append(out.Systems, one)
	}
	return c.write(http.StatusOK, out)
}
