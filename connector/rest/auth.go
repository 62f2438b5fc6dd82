package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill/connector"
)

// authBody says how a request shows its credential. The credential itself is
// the system's token in the configuration.
type authBody struct {
	Scheme   string        `yaml:"scheme"`
	User     string        `yaml:"user"`
	Header   string        `yaml:"header"`
	Query    string        `yaml:"query"`
	TokenURL string        `yaml:"token_url"`
	ClientID string        `yaml:"client_id"`
	Scope    string        `yaml:"scope"`
	Audience string        `yaml:"audience"`
	Hmac     signatureBody `yaml:"signature"`
	Time     timeBody      `yaml:"timestamp"`
}

// The schemes.
const (
	authNone   = "none"
	authBasic  = "basic"
	authBearer = "bearer"
	authKey    = "api_key"
	authOAuth2 = "oauth2"
	authHmac   = "hmac"
)

// tokenEarly is how long before its end a token counts as used up; tokenMax
// bounds what is believed of its life.
const (
	tokenEarly = 30 * time.Second
	tokenMax   = 24 * time.Hour
)

func (r *reader) auth(b authBody) {
	if !r.oneOf(b.Scheme, []string{authNone, authBasic, authBearer, authKey, authOAuth2, authHmac}, "auth", "scheme") {
		return
	}
	needs := func(value, key, fix string) {
		if value == "" {
			r.y.Wrong("is missing", fix, "auth", key)
		}
	}
	switch b.Scheme {
	case authBasic:
		needs(b.User, "user", "the password is the system's token in the configuration")
	case authKey:
		if (b.Header == "") == (b.Query == "") {
			r.y.Wrong("want header or query", "name the header or the query parameter that carries the key", "auth")
		}
	case authOAuth2:
		needs(b.ClientID, "client_id", "the client's secret is the system's token in the configuration")
		needs(b.TokenURL, "token_url", "write the path of the token endpoint behind the base URL, or its whole address")
	case authHmac:
		r.s.auth.Hmac.check(r, []string{"method", "path", "timestamp", "body", "digest", "key_id"}, "auth", "signature")
		r.s.auth.Time.check(r, "auth", "timestamp")
	}
}

// credential shows the credential on requests. It is safe for concurrent use.
type credential struct {
	authBody
	token  string
	base   string
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex
	access string // OAuth 2: the access token in use
	until  time.Time
}

// refusedError says that the system refuses the credential itself.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// apply adds the credential to a request whose other parts are complete.
func (c *credential) apply(ctx context.Context, r *connector.Request) error {
	switch c.Scheme {
	case authBasic:
		r.Header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.token))}
	case authBearer:
		r.Header["Authorization"] = []string{"Bearer " + c.token}
	case authKey:
		if c.Header != "" {
			r.Header[http.CanonicalHeaderKey(c.Header)] = []string{c.token}
			return nil
		}
		separator := "?"
		if strings.Contains(r.URL, "?") {
			separator = "&"
		}
		r.URL += separator + url.QueryEscape(c.Query) + "=" + url.QueryEscape(c.token)
	case authOAuth2:
		token, err := c.accessToken(ctx)
		if err != nil {
			return err
		}
		r.Header["Authorization"] = []string{"Bearer " + token}
	case authHmac:
		return c.sign(r)
	}
	return nil
}

// sign signs the request: what the payload names, with the token as secret.
func (c *credential) sign(r *connector.Request) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	stamp := c.Time.format(c.now())
	if c.Time.Header != "" {
		r.Header[http.CanonicalHeaderKey(c.Time.Header)] = []string{stamp}
	}
	signed, err := c.Hmac.sign([]byte(c.token), func(word string) (string, error) {
		switch word {
		case "method":
			return r.Method, nil
		case "path":
			return u.RequestURI(), nil
		case "timestamp":
			return stamp, nil
		case "body":
			return string(r.Body), nil
		case "key_id":
			return c.Hmac.KeyID, nil
		}
		return c.Hmac.digest(r.Body), nil
	})
	if err != nil {
		return err
	}
	r.Header[http.CanonicalHeaderKey(c.Hmac.Header)] = []string{signed}
	return nil
}

// accessToken gives the token in use, or asks for one (RFC 6749 section 4.4).
// Whoever asks first asks for all.
func (c *credential) accessToken(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.access != "" && c.now().Before(c.until) {
		return c.access, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.Scope != "" {
		form.Set("scope", c.Scope)
	}
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	address := c.TokenURL
	if strings.HasPrefix(address, "/") {
		address = c.base + address
	}
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ClientID) + ":" + url.QueryEscape(c.token)))
	a, err := connector.Send(ctx, c.client, connector.Request{Method: http.MethodPost, URL: address, Limit: tokenBytesMax,
		Body: []byte(form.Encode()), Header: http.Header{"Authorization": {"Basic " + basic}, "Accept": {"application/json"},
			"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"waybill"}}})
	switch {
	case err != nil:
		return "", fmt.Errorf("ask for an access token: %w", err)
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusBadRequest || a.Status == http.StatusForbidden:
		return "", &refusedError{"the token endpoint refuses the client's credential: " + a.Words()}
	case a.Status != http.StatusOK:
		return "", errors.New("ask for an access token: it answered " + a.Words())
	}
	var granted struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}
	if err := json.Unmarshal(a.Body, &granted); err != nil || granted.AccessToken == "" || strings.ContainsAny(granted.AccessToken, "\r\n") {
		return "", errors.New("ask for an access token: the answer holds none")
	}
	life := time.Duration(min(max(granted.ExpiresIn, 0), int64(tokenMax/time.Second))) * time.Second
	if granted.ExpiresIn == 0 { // RFC 6749 5.1: known otherwise; a 401 will tell
		life = tokenMax
	}
	c.access, c.until = granted.AccessToken, c.now().Add(max(life-tokenEarly, life/2))
	return c.access, nil
}

// renew drops the access token that a request was refused with, and reports
// whether another can be asked for.
func (c *credential) renew(used string) bool {
	if c.Scheme != authOAuth2 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if "Bearer "+c.access == used {
		c.access = ""
	}
	return true
}

// timeBody is how a time is written in a header.
type timeBody struct {
	Header    string        `yaml:"header"`
	Form      string        `yaml:"form"`
	Tolerance time.Duration `yaml:"tolerance"`
}

func (b *timeBody) check(r *reader, path ...any) {
	if b.Form == "" {
		b.Form = "unix"
	}
	r.oneOf(b.Form, []string{"unix", "unix_ms", "rfc3339"}, append(path, "form")...)
}

func (b *timeBody) format(t time.Time) string {
	switch b.Form {
	case "unix_ms":
		return strconv.FormatInt(t.UnixMilli(), 10)
	case "rfc3339":
		return t.UTC().Format(time.RFC3339)
	}
	return strconv.FormatInt(t.Unix(), 10)
}

func (b *timeBody) parse(text string) (time.Time, bool) {
	if b.Form == "rfc3339" {
		t, err := time.ParseInLocation(time.RFC3339Nano, text, time.UTC)
		return t, err == nil
	}
	n, err := strconv.ParseUint(text, 10, 46)
	if err != nil {
		return time.Time{}, false
	}
	if b.Form == "unix_ms" {
		return time.UnixMilli(int64(n)), true //nolint:gosec // 46 bits
	}
	return time.Unix(int64(n), 0), true //nolint:gosec // 46 bits
}
