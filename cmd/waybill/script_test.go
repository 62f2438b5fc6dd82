package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptPatience is how long a script waits for what another process does.
const scriptPatience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"waybill": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the transcripts of the command as its user meets it: as a
// process of its own, with files, signals and exit codes. UPDATE=1 rewrites what
// they compare with.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../examples/target")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the example of a target: %v\n%s", err, out)
	}
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../test/scripts",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("REPO", repo)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "waitfor": waitFor, "http": call, "json": readJSON, "signal": signalTo, "freeport": freePort, "push": push,
		},
	})
}

// exits runs a command that shall end with that code: exits CODE COMMAND [ARG…].
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got, failed := 0, (*exec.ExitError)(nil)
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// waitFor waits until a file that another process writes has a text, and keeps
// its first group: waitfor FILE REGEXP [VARIABLE].
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: waitfor FILE REGEXP [VARIABLE]")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	var text []byte
	within(ts, func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		return want.Match(text)
	}, func() string { return fmt.Sprintf("%s has no %s:\n%s", args[0], args[1], text) })
	if found := want.FindSubmatch(text); len(args) > 2 && len(found) > 1 {
		ts.Setenv(args[2], string(found[1]))
	}
}

// within asks again until yes.
func within(ts *testscript.TestScript, yes func() bool, complaint func() string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(scriptPatience)
	defer end.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-end.C:
			ts.Fatalf("waited %s: %s", scriptPatience, complaint())
		}
	}
}

// call makes a request; its answer is the standard output for what follows:
// http METHOD URL STATUS [NAME:VALUE…] [@FILE]. A GET is repeated until its
// answer has the status, and the text behind =~: http GET URL 200 '=~"done"'.
func call(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: http METHOD URL STATUS [NAME:VALUE…] [@FILE] [=~REGEXP]")
	}
	method, url, want := args[0], args[1], args[2]
	header, body, match := http.Header{}, "", regexp.MustCompile("")
	for _, arg := range args[3:] {
		if file, ok := strings.CutPrefix(arg, "@"); ok {
			body = ts.ReadFile(file)
			continue
		}
		if text, ok := strings.CutPrefix(arg, "=~"); ok {
			match = regexp.MustCompile(text)
			continue
		}
		name, value, _ := strings.Cut(arg, ":")
		header.Set(name, strings.TrimSpace(value))
	}
	var status, answer string
	within(ts, func() bool {
		status, answer = request(ts, method, url, header, body)
		return method != http.MethodGet || status == want && match.MatchString(answer)
	}, func() string {
		return fmt.Sprintf("%s %s answers %s, want %s with %s:\n%s", method, url, status, want, match, answer)
	})
	if status != want || !match.MatchString(answer) {
		ts.Fatalf("%s %s answers %s, want %s with %s:\n%s", method, url, status, want, match, answer)
	}
	_, err := io.WriteString(ts.Stdout(), answer)
	ts.Check(err)
}

func request(ts *testscript.TestScript, method, url string, header http.Header, body string) (status, answer string) {
	ctx, cancel := context.WithTimeout(context.Background(), scriptPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	ts.Check(err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return strconv.Itoa(resp.StatusCode), string(text)
}

// push sends an event as a system does, signed (system contract W1):
// push URL SECRET ID FILE.
func push(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: push URL SECRET ID FILE")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(args[1], "whsec_"))
	ts.Check(err)
	body, stamp := ts.ReadFile(args[3]), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", args[2], stamp, body)
	header := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {args[2]}, "Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	if status, answer := request(ts, http.MethodPost, args[0], header, body); status != "202" || !strings.Contains(answer, `"accepted"`) {
		ts.Fatalf("push %s: %s %s", args[2], status, answer)
	}
}

// readJSON holds a file, or stdout, to be JSON, a member of it to match, and
// keeps it: json FILE [PATH REGEXP [VARIABLE]]. A path is like systems.0.name.
func readJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) == 2 {
		ts.Fatalf("usage: json FILE [PATH REGEXP [VARIABLE]]")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &v); err != nil {
		ts.Fatalf("%s is no JSON: %v", args[0], err)
	}
	if len(args) == 1 {
		return
	}
	found := true
	for step := range strings.SplitSeq(args[1], ".") {
		var member any
		switch in := v.(type) {
		case map[string]any:
			member, found = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if found = err == nil && i >= 0 && i < len(in); found {
				member = in[i]
			}
		default:
			found = false
		}
		if v = member; !found {
			break
		}
	}
	text, isText := v.(string)
	if !isText {
		b, err := json.Marshal(v)
		ts.Check(err)
		text = string(b)
	}
	if ok := found && regexp.MustCompile(args[2]).MatchString(text); ok == neg {
		ts.Fatalf("%s is %s (there: %t); want a match of %s: %t", args[1], text, found, args[2], !neg)
	}
	if len(args) > 3 {
		ts.Setenv(args[3], text)
	}
}

// signalTo sends a signal to the background commands with a word in their
// arguments: signal TERM|HUP WORD.
func signalTo(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	if len(args) != 2 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|HUP WORD")
	}
	sent := false
	for _, c := range ts.BackgroundCmds() {
		if strings.Contains(strings.Join(c.Args, " "), args[1]) {
			ts.Check(c.Process.Signal(signals[args[0]]))
			sent = true
		}
	}
	if !sent {
		ts.Fatalf("no background command has %s in its arguments", args[1])
	}
}

// freePort keeps an address of this machine that nobody listens on.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: freeport VARIABLE")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], l.Addr().String())
}
