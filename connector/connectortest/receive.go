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
	receiver := s.openEnv(t, env).Receiver
	if r.Body == nil {
		r.Body = Fixtures(t, filepath.Join(s.h.Fixtures, "in"))[0].Message(t, env.System).Body
	}
	good := Push{ID: "evt_0001", At: Now, Body: r.Body}
	if len(r.Secrets) > 0 {
		good.Secret = r.Secrets[0]
	}
	inbound := func(p Push) connector.Inbound {
		return connector.Inbound{Header: r.Sign(p), Body: p.Body, Now: Now}
	}
	refused := func(t *testing.T, in connector.Inbound, want ...int) {
		t.Helper()
		envelope, err := receiver.Receive(in)
		rejection := (*connector.Rejection)(nil)
		if !errors.As(err, &rejection) {
			t.Fatalf("took %+v with error %v (%T), want a Rejection", envelope, err, err)
		}
		for _, status := range want {
			if rejection.Status == status {
				if rejection.Err.Code == "" || rejection.Err.Detail == "" {
					t.Errorf("the rejection does not say what is wrong: %+v", rejection)
				}
				return
			}
		}
		t.Errorf("status %d (%v), want one of %v", rejection.Status, err, want)
	}

	t.Run("TakesWhatIsAuthentic", func(t *testing.T) {
		first, err := receiver.Receive(inbound(good))
		if err != nil {
			t.Fatal(err)
		}
		again := good
		again.At = Now.Add(r.Tolerance / 2)
		second, err := receiver.Receive(inbound(again))
		if err != nil || first.ID == "" || first.ID != second.ID {
			t.Errorf("ids %q and %q (%v): a repetition has the id of the first", first.ID, second.ID, err)
		}
		other := good
		other.ID = "evt_0002"
		if third, err := receiver.Receive(inbound(other)); err != nil || third.ID == first.ID {
			t.Errorf("id %q (%v): another message has another id", third.ID, err)
		}
	})
	t.Run("RefusesWithoutItsHeaders", func(t *testing.T) {
		for _, name := range r.Required {
			in := inbound(good)
			in.Header.Del(name)
			refused(t, in, http.StatusBadRequest)
			in.Header.Set(name, "")
			refused(t, in, http.StatusBadRequest)
		}
	})
	t.Run("RefusesWhatIsNotJSON", func(t *testing.T) {
		for _, body := range []string{"", "{", "{\n \"a\": nope}", "\xff", `{"a":"` + "\xff" + `"}`, `{} {}`} {
			bad := good
			bad.Body = []byte(body)
			refused(t, inbound(bad), http.StatusBadRequest)
		}
		bad := good
		bad.Body = []byte("{\n  \"a\": nope}")
		if _, err := receiver.Receive(inbound(bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("error %v, want the position in line 2", err)
		}
	})
	if len(r.Secrets) > 0 {
		t.Run("Signature", func(t *testing.T) { signature(t, receiver, r, good, inbound, refused) })
	}
	if r.Tolerance > 0 {
		t.Run("Time", func(t *testing.T) {
			for _, off := range []time.Duration{r.Tolerance + time.Second, -r.Tolerance - time.Second} {
				stale := good
				stale.At = Now.Add(off)
				refused(t, inbound(stale), http.StatusUnauthorized)
			}
			for _, off := range []time.Duration{r.Tolerance, -r.Tolerance} {
				edge := good
				edge.At = Now.Add(off)
				if _, err := receiver.Receive(inbound(edge)); err != nil {
					t.Errorf("%s from the clock: %v", off, err)
				}
			}
		})
	}
}

// signature checks that only the right secrets over the right bytes count, and
// that the body is believed by nobody before that.
func signature(t *testing.T, receiver connector.Receiver, r Receive, good Push,
	inbound func(Push) connector.Inbound, refused func(*testing.T, connector.Inbound, ...int),
) {
	for i, secret := range r.Secrets {
		rotated := good
		rotated.Secret = secret
		if _, err := receiver.Receive(inbound(rotated)); err != nil {
			t.Errorf("signed with secret %d of those in use: %v", i+1, err)
		}
	}
	in := inbound(good)
	in.Body = append(bytes.Clone(good.Body), ' ')
	refused(t, in, http.StatusUnauthorized)
	in.Body = bytes.Clone(good.Body)
	in.Body[len(in.Body)/2] ^= 1
	refused(t, in, http.StatusUnauthorized)
	in.Body = []byte("not JSON either")
	refused(t, in, http.StatusUnauthorized)
	in.Body = nil
	refused(t, in, http.StatusUnauthorized)
}
