package connectortest

import (
	"bytes"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/connector"
)

// Receive is what the suite needs to know of a Receiver.
type Receive struct {
	// Sign makes the headers of an authentic push; nil: the suite can't test
	// the Receiver.
	Sign func(p Push) http.Header
	// Secrets are two secrets in use at once, as in a rotation. Empty: the
	// pushes are not signed, who sends them was authenticated before.
	Secrets []string
	// Tolerance is how far a push's time may lie from the clock; 0: its time
	// is not checked.
	Tolerance time.Duration
	// Required lists headers without which a push is malformed (400).
	Required []string
	// Body is an authentic body; nil: that of the first fixture.
	Body []byte
}

// Push is what a sender signs.
type Push struct {
	ID     string
	At     time.Time
	Secret string
	Body   []byte
}

// receive checks what is taken and what is refused, and with which status.
func (s *suite) receive(t *testing.T) {
	r := s.h.Receive
	if r.Sign == nil {
		t.Skip("no Receiver in the harness")
	}
	env := s.env("")
	if r.Body == nil {
		r.Body = Fixtures(t, filepath.Join(s.h.Fixtures, "in"))[0].Message(t, env.System).Body
	}
	g := gate{Receive: r, receiver: s.openEnv(t, env).Receiver, good: Push{ID: "evt_0001", At: Now, Body: r.Body}}
	if len(r.Secrets) > 0 {
		g.good.Secret = r.Secrets[0]
	}
	t.Run("TakesWhatIsAuthentic", g.takes)
	t.Run("RefusesWithoutItsHeaders", func(t *testing.T) {
		for _, name := range r.Required {
			in := g.inbound(g.good)
			in.Header.Del(name)
			g.refuses(t, in, http.StatusBadRequest)
			in.Header.Set(name, "")
			g.refuses(t, in, http.StatusBadRequest)
		}
	})
	t.Run("RefusesWhatIsNotJSON", g.notJSON)
	if len(r.Secrets) > 0 {
		t.Run("Signature", g.signature)
	}
	if r.Tolerance > 0 {
		t.Run("Time", g.time)
	}
}

// gate is a receiver under test, with a push that it takes.
type gate struct {
	Receive
	receiver connector.Receiver
	good     Push
}

func (g *gate) inbound(p Push) connector.Inbound {
	return connector.Inbound{Header: g.Sign(p), Body: p.Body, Now: Now}
}

// refuses wants a Rejection with that status and words.
func (g *gate) refuses(t *testing.T, in connector.Inbound, status int) {
	t.Helper()
	envelope, err := g.receiver.Receive(in)
	rejection := (*connector.Rejection)(nil)
	switch {
	case !errors.As(err, &rejection):
		t.Fatalf("took %+v with error %v (%T), want a Rejection", envelope, err, err)
	case rejection.Status != status:
		t.Errorf("status %d (%v), want %d", rejection.Status, err, status)
	case rejection.Err.Code == "" || rejection.Err.Detail == "":
		t.Errorf("the rejection does not say what is wrong: %+v", rejection)
	}
}

// takes wants one id for all repetitions of a push, and another for another.
func (g *gate) takes(t *testing.T) {
	first, err := g.receiver.Receive(g.inbound(g.good))
	if err != nil {
		t.Fatal(err)
	}
	again := g.good
	again.At = Now.Add(g.Tolerance / 2)
	second, err := g.receiver.Receive(g.inbound(again))
	if err != nil || first.ID == "" || first.ID != second.ID {
		t.Errorf("ids %q and %q (%v): a repetition has the id of the first", first.ID, second.ID, err)
	}
	other := g.good
	other.ID = "evt_0002"
	if third, err := g.receiver.Receive(g.inbound(other)); err != nil || third.ID == first.ID {
		t.Errorf("id %q (%v): another message has another id", third.ID, err)
	}
}

// notJSON wants 400 with the position for what is signed and no JSON.
func (g *gate) notJSON(t *testing.T) {
	bad := g.good
	for _, body := range []string{"", "{", "{\n \"a\": nope}", "\xff", `{"a":"` + "\xff" + `"}`, `{} {}`} {
		bad.Body = []byte(body)
		g.refuses(t, g.inbound(bad), http.StatusBadRequest)
	}
	bad.Body = []byte("{\n  \"a\": nope}")
	if _, err := g.receiver.Receive(g.inbound(bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want the position in line 2", err)
	}
}

// time wants the tolerance kept to the second, both ways.
func (g *gate) time(t *testing.T) {
	p := g.good
	for _, off := range []time.Duration{g.Tolerance + time.Second, -g.Tolerance - time.Second} {
		p.At = Now.Add(off)
		g.refuses(t, g.inbound(p), http.StatusUnauthorized)
	}
	for _, off := range []time.Duration{g.Tolerance, -g.Tolerance} {
		p.At = Now.Add(off)
		if _, err := g.receiver.Receive(g.inbound(p)); err != nil {
			t.Errorf("%s from the clock: %v", off, err)
		}
	}
}

// signature checks that only the right secrets over the right bytes count, and
// that the body is believed by nobody before that.
func (g *gate) signature(t *testing.T) {
	for i, secret := range g.Secrets {
		rotated := g.good
		rotated.Secret = secret
		if _, err := g.receiver.Receive(g.inbound(rotated)); err != nil {
			t.Errorf("signed with secret %d of those in use: %v", i+1, err)
		}
	}
	flipped := bytes.Clone(g.good.Body)
	flipped[len(flipped)/2] ^= 1
	for _, body := range [][]byte{append(bytes.Clone(g.good.Body), ' '), flipped, []byte("not JSON either"), nil} {
		in := g.inbound(g.good)
		in.Body = body
		g.refuses(t, in, http.StatusUnauthorized)
	}
}
