package blackbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/pb33f/libopenapi"
)

// Whatever requests carry, a line of the log stays a line, says what it said, and does nothing to the terminal it is read on.
func TestLogInjection(t *testing.T) {
	line := map[string]*regexp.Regexp{
		"text": regexp.MustCompile(`^time=\S+ level=(DEBUG|INFO|WARN|ERROR) msg=`),
		"json": regexp.MustCompile(`^\{"time":"[^"]*","level":"(DEBUG|INFO|WARN|ERROR)","msg":.*\}$`),
	}
	for format, line := range line {
		t.Run(format, func(t *testing.T) {
			s := start(t, filepath.Join(t.TempDir(), "f.db"), "--log-level", "debug", "--log-format", format)
			admin := s.admin()
			instance := admin.newInstance(t, "acme")
			h := &hostile{server: s, token: admin.token, path: accessPath("v1.1", instance)}
			const forged = `%0atime=2026-01-01T00:00:00Z%20level=ERROR%20msg=forged%0d%0a{"level":"ERROR","msg":"forged"}%1b[31m%1b]0;forged%07%c2%9b31m%e2%80%ae%7f%00%08"`
			for _, path := range []string{"/", instances + "/", "/farebox/v1/alerts/", provisioning + "/x", "/farebox/v1/sessions/", "/docs/"} {
				for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
					h.send(t, h.head(method, path+strings.ReplaceAll(forged, `"`, "%22"), h.auth()))
				}
			}
			plain, err := json.Marshal("forged\nlevel=ERROR msg=forged\r\x1b[31m\u009b31m\u202e\x7f")
			if err != nil {
				t.Fatal(err)
			}
			text := string(plain)
			for path, body := range map[string]string{
				h.path:                   strings.Replace(ask("unit", "", "1"), `"mia"`, text, 1),
				instances:                `{"shortName":` + text + `,"accountId":` + text + `}`,
				"/farebox/v1/alerts":     `{"name":` + text + `,"kind":"LOW"}`,
				"/farebox/v1/webhooks":   `{"url":` + text + `,"description":` + text + `}`,
				"/farebox/v1/test-clock": `{"advance":` + text + `}`,
				"/farebox/v1/sessions":   `{"instanceId":` + text + `}`,
			} {
				if a, err := admin.call("POST", path, "", body); err != nil || a.status/100 == 5 {
					t.Errorf("%s: %v %v", path, a, err)
				}
			}
			h.send(t, h.head("GET", "/healthz", "User-Agent: forged\x1b[31m"))
			h.send(t, h.head("GET", instances, "Authorization: Bearer forged\u009b\u202e"))
			s.stop()
			checkLines(t, s.logs.String(), line)
		})
	}
}

func checkLines(t *testing.T, log string, line *regexp.Regexp) {
	t.Helper()
	if !strings.Contains(log, "forged") {
		t.Error("nothing of what was sent is logged; so this shows nothing")
	}
	for one := range strings.Lines(log) {
		one = strings.TrimSuffix(one, "\n")
		if !line.MatchString(one) {
			t.Errorf("not a line of the log: %q", one)
		}
		if at := strings.IndexFunc(one, func(r rune) bool { return !unicode.IsPrint(r) }); at >= 0 {
			t.Errorf("at %d of %q is what is not printed", at, one)
		}
	}
}

// No token, key or secret is ever logged, at the level at which most is: every operation of the document is asked, in good and in bad ways,
// while webhooks and targets fail.
func TestSecretsAreNotLogged(t *testing.T) {
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer gone.Close()
	s := start(t, filepath.Join(t.TempDir(), "f.db"), "--log-level", "debug", "--test-clock", testClock, "--webhook-allow-private",
		"--record-source", "full", "--events-to", "http://user:hidden@127.0.0.1:1/x?key=hidden", "--events-to", "nats://user:hidden@127.0.0.1:1/x",
		"--events-to", "kafka://user:hidden@127.0.0.1:1/x")
	admin := s.admin()
	instance := admin.newInstance(t, "acme")
	admin.putLineItem(t, instance, "L", 10, "")
	mine := newClient(s.url(), token(t, s.db, "--client", "--instance", instance))
	var hook struct{ ID, Secret string }
	admin.must(t, "POST", "/farebox/v1/webhooks", fmt.Sprintf(`{"url":%q}`, gone.URL+"/hidden?key=hidden"), &hook)
	secrets := []string{"hidden", admin.token, mine.token, hook.Secret, strings.TrimPrefix(hook.Secret, "whsec_")}
	for _, file := range []string{s.db + ".admin.pem", s.db + ".client.pem"} {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.Split(string(pem), "\n")[1])
		leaked, err := json.Marshal([]map[string]string{{"id": "x", "publicKey": string(pem)}}) // by mistake
		if err != nil {
			t.Fatal(err)
		}
		if a, err := admin.call("PUT", "/dynamicmonetization/api/v1.1/client-keys", "", string(leaked)); err != nil || a.status != 400 || strings.Contains(a.body, secrets[len(secrets)-1]) {
			t.Errorf("a private key instead of the public one: %v %v", a, err)
		}
	}
	forged := *admin
	forged.token = admin.token[:len(admin.token)-8] + "forgedAA"
	secrets = append(secrets, "forgedAA", admin.token[strings.LastIndexByte(admin.token, '.'):])
	admin.must(t, "POST", "/farebox/v1/webhooks/"+hook.ID+"/test", "", nil)
	operations := documented(t, s)
	ids := strings.NewReplacer("{instanceId}", instance, "{lineItemId}", "L", "{webhookId}", hook.ID, "{month}", "2026-01", "{", "", "}", "")
	operations = slices.DeleteFunc(operations, func(op operation) bool { return op.path == "/farebox/v1/live" }) // it goes on for an hour
	for _, op := range operations {
		body := strings.ReplaceAll(op.body, exampleInstance, instance)
		for _, by := range []*client{admin, mine, &forged} {
			for _, sent := range []string{body, `{"hidden": "` + hook.Secret + `"}`} {
				a, err := by.call(op.method, ids.Replace(op.path), "", sent)
				if err != nil || a.status/100 == 5 {
					t.Errorf("%s %s: %v %v", op.method, op.path, a, err)
				}
				if by != admin && strings.Contains(a.body, by.token) {
					t.Errorf("%s %s: the answer repeats the token", op.method, op.path)
				}
				var made struct{ Secret string }
				if json.Unmarshal([]byte(a.body), &made) == nil && made.Secret != "" {
					secrets = append(secrets, made.Secret)
				}
			}
		}
	}
	for _, name := range []string{"http", "nats"} { // what fails says so, and when it is tried again, in seconds
		held := regexp.MustCompile(`"follower":"events-to ` + name + `[^"]*","retrySeconds":[1-9][0-9]?,"error":"` + name + `[^"]* cannot be reached: `)
		eventually(t, "that "+name+" is held up", func() bool { return held.MatchString(s.logs.String()) })
	}
	s.stop()
	log := s.logs.String()
	for _, op := range operations {
		if op.path == "/metrics" || op.path == "/docs/" || op.path == "/console/" {
			continue // which are no routes of the API
		}
		if pattern := `"method":"` + op.method + `","path":"` + ids.Replace(op.path) + `"`; !strings.Contains(log, pattern) {
			t.Errorf("the log lacks %s; so this shows nothing", pattern)
		}
	}
	for _, secret := range secrets {
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("a secret is logged: %.300s", log[max(at-150, 0):])
		}
		for part := range strings.SplitSeq(secret, ".") { // what is cut is cut in the middle of a token, if at all
			if len(part) > 40 && strings.Contains(log, part[:40]) && !strings.HasPrefix(part, "eyJ") {
				t.Errorf("a part of a secret is logged")
			}
		}
	}
	if strings.Contains(log, "eyJ") || strings.Contains(log, "PRIVATE KEY") || strings.Contains(log, "whsec_") {
		t.Error("something that looks like a token or a key is logged")
	}
}

const exampleInstance = "0199a3e2-7c41-7d0a-9b6e-5f2c8a1d3e47"

// operation is one of openapi.yaml, with the first example of its body as JSON.
type operation struct{ method, path, body string }

// documented returns the operations of the document that a server serves, deletions last.
func documented(t *testing.T, s *server) (all []operation) {
	t.Helper()
	response, err := http.Get(s.url() + "/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(bytes.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			one := operation{method: strings.ToUpper(method), path: path}
			if op.RequestBody != nil {
				for kind, content := range op.RequestBody.Content.FromOldest() {
					for _, example := range content.Examples.FromOldest() {
						var tree any
						if err := example.Value.Decode(&tree); err != nil {
							t.Fatal(err)
						}
						body, err := json.Marshal(tree)
						if err != nil {
							t.Fatal(err)
						}
						if one.body = string(body); kind != "application/json" { // text, a document a line
							one.body, _ = tree.(string)
						}
						break
					}
				}
			}
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b operation) int {
		order := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
		return slices.Index(order, a.method) - slices.Index(order, b.method)
	})
	return all
}
