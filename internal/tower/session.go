package tower

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	sessionCookie = "waybill_session"
	sessionLife   = 12 * time.Hour
	sessionsMax   = 1000 // beyond it the one that ends first makes room

	loginBodyMax = 4 << 10 // bytes of a login form
)

// session is a browser that showed a valid key.
type session struct {
	actor string
	ends  time.Time
}

// sessions live in memory: a restart signs everyone out, which costs a person
// one paste of the key and keeps no secret on disk.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[string]session{}}
}

// start opens a session and gives its id, 130 random bits as text.
func (s *sessions) start(actor string) string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byID) >= sessionsMax {
		s.makeRoom()
	}
	s.byID[id] = session{actor: actor, ends: s.now().Add(sessionLife)}
	return id
}

// makeRoom drops what has ended, or else what ends first.
func (s *sessions) makeRoom() {
	now, first := s.now(), ""
	for id, one := range s.byID {
		if !one.ends.After(now) {
			delete(s.byID, id)
			continue
		}
		if first == "" || one.ends.Before(s.byID[first].ends) {
			first = id
		}
	}
	if len(s.byID) >= sessionsMax {
		delete(s.byID, first)
	}
}

// actor says whose session it is.
func (s *sessions) actor(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byID[id]
	if !ok || !one.ends.After(s.now()) {
		delete(s.byID, id)
		return "", false
	}
	return one.actor, true
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// signedIn lets a request through with the name of who makes it. Without a
// session a page leads to the login, and what is no page is answered 401.
func (t *tower) signedIn(next func(http.ResponseWriter, *http.Request, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, ok := t.actor(r)
		if ok {
			next(w, r, actor)
			return
		}
		if r.Method == http.MethodGet && r.URL.Path != "/live" {
			http.Redirect(w, r, "/login?back="+escapeQuery(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "Sign in first: the session has ended.", http.StatusUnauthorized)
	})
}

func (t *tower) actor(r *http.Request) (string, bool) {
	if t.opts.Login == nil {
		return anonymous, true
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return "", false
	}
	return t.sessions.actor(c.Value)
}

func (t *tower) loginPage(w http.ResponseWriter, r *http.Request) {
	if _, ok := t.actor(r); ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	t.writeLogin(w, r, http.StatusOK, loginView{Back: localPath(r.URL.Query().Get("back"))})
}

func (t *tower) writeLogin(w http.ResponseWriter, r *http.Request, status int, v loginView) {
	t.write(w, r, status, view{Title: "Sign in", page: "login", Bare: true, Body: v})
}

func (t *tower) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, loginBodyMax)
	back := localPath(r.PostFormValue("back"))
	if t.opts.Login == nil {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	actor, ok := t.opts.Login(strings.TrimSpace(r.PostFormValue("key")))
	if !ok {
		t.writeLogin(w, r, http.StatusUnauthorized, loginView{Back: back, Failed: true})
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: t.sessions.start(actor), Path: "/",
		MaxAge: int(sessionLife / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (t *tower) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		t.sessions.end(c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

const themeCookie = "waybill_theme"

// theme keeps the wanted colour scheme in a cookie, so that the server writes it
// and no page flashes in the other one first.
func (t *tower) theme(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, loginBodyMax)
	c := &http.Cookie{Name: themeCookie, Path: "/", SameSite: http.SameSiteLaxMode, HttpOnly: true}
	switch want := r.PostFormValue("theme"); want {
	case "light", "dark":
		c.Value, c.MaxAge = want, 365*24*3600
	default:
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	http.Redirect(w, r, localPath(r.PostFormValue("back")), http.StatusSeeOther)
}

func themeOf(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return ""
}
