package intake

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// ServeHTTP takes a push: POST /in/{system}, with the system's name as the
// path value "system". Its answers are those of W2.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := in.opt.Now()
	system := r.PathValue("system")
	body, err := ReadBody(w, r, in.opt.MaxBody)
	var a Answer
	if err == nil {
		a, err = in.Push(r.Context(), system, r.Header, body)
	}
	if in.sources[system] == nil {
		system = ""
	}
	in.opt.Observe(system, Reply(w, a, err), in.opt.Now().Sub(started))
}

// Reply answers the sender of a message: 202 where it is new, 200 where it was
// known, a problem where it was not taken. It returns the status.
func Reply(w http.ResponseWriter, a Answer, err error) int {
	if err != nil {
		var no *connector.Rejection
		if !errors.As(err, &no) {
			no = unavailable()
		}
		WriteProblem(w, no.Status, no.Err)
		return no.Status
	}
	status := http.StatusAccepted
	if a.Duplicate {
		status = http.StatusOK
	}
	b, err := json.Marshal(a)
	if err != nil { // strings and booleans only
		WriteProblem(w, http.StatusInternalServerError, waybill.Error{Code: "internal", Detail: err.Error()})
		return http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a sender who has left asks again with the same id
	return status
}

// bodyGuess is the most memory that a Content-Length alone can claim.
const bodyGuess = 64 << 10

// ReadBody reads a request's body of at most limit bytes. The error is a
// [*connector.Rejection]: 413 before more than limit bytes were read, 408 where
// the body did not come in time, 415 for a compressed one (signatures are over
// bytes as they are sent), 400 where it broke off.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		// What is still to come is not read: the connection ends here.
		w.Header().Set("Connection", "close")
		return nil, tooLarge(limit)
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return nil, connector.Reject(http.StatusUnsupportedMediaType, "content_encoding", "Content-Encoding",
			"the body is compressed", "send it as it is")
	}
	size := max(min(r.ContentLength, bodyGuess), 0)
	buf := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return buf.Bytes(), nil
	case errors.As(err, &large):
		return nil, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, connector.Reject(http.StatusRequestTimeout, "body_timeout", "body",
			"the body did not come in time", "send it again in one go")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, connector.Reject(http.StatusBadRequest, "body_cut", "body",
			"the body ended before its Content-Length", "send it again")
	default:
		return nil, connector.Reject(http.StatusBadRequest, "body_unreadable", "body",
			"the body can't be read: "+err.Error(), "send it again")
	}
}

func tooLarge(limit int64) *connector.Rejection {
	return connector.Reject(http.StatusRequestEntityTooLarge, "body_too_large", "body",
		"the body is larger than "+strconv.FormatInt(limit, 10)+" bytes", "split it, or raise limits.max_body in the configuration")
}
