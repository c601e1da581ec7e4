package blackbox

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	for _, args := range []string{
		"", "nonsense", "serve --nonsense", "serve extra", "token", "token --admin --client", "token --client", "token --admin --instance x",
		"token --client --instance=", "token --client --instance x --instance=", "console --client --instance=",
		"serve --addr nonsense", "serve --addr=", "serve --addr 127.0.0.1:99999", "serve --profile-addr localhost", "demo --addr 8080", "serve --events-to nonsense",
		"token --admin --ttl 0s", "token --admin --ttl soon", "keys", "keys create", "keys delete --admin", "usage", "usage events --kind NONSENSE",
		"usage events --from yesterday", "usage events --format xml", "backup", "demo --for -1s", "--log-level nonsense verify",
		"bench --workload nonsense", "bench --workload hot,hot", "bench --rounds 0", "bench --duration 0s", "bench --warmup -1s", "bench --connections 0",
		"bench --rate half", "bench --instances 0", "bench --line-items 10", "bench --db missing.db", "bench --dir missing", "bench --token x",
		"bench --url http://127.0.0.1:1", "bench --url 127.0.0.1:1 --token x", "bench --url http://127.0.0.1:1 --token x --verify", "bench extra",
	} {
		dir := t.TempDir()
		r := run(t, dir, strings.Fields(args)...)
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, "farebox: ") {
			t.Errorf("farebox %s: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("farebox %s left %v %v", args, left, err)
		}
	}
}

// What people get wrong is told with what to do about it, and for wrong usage with where to read on.
func TestMistakesAreExplained(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty.yaml": "", "bad.csv": "name,version,rate\nrender,,five\n", "letter.db": "dear aunt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, words := range map[string][]string{
		"serve --addr nonsense":                 {"--addr", "HOST:PORT such as 127.0.0.1:8080", "see: farebox serve --help"},
		"serve --addr 127.0.0.1:99999":          {"--addr", "99999", "HOST:PORT such as 127.0.0.1:8080"},
		"serve --events-to nonsense":            {"--events-to", "https://HOST/PATH", "see: farebox serve --help"},
		"serve --db mysql://host/x":             {"--db", "mysql://", "postgres://user@host/database", "see: farebox serve --help"},
		"serve --db letter.db":                  {"letter.db is not a database", "--db"},
		"serve --db=":                           {"the name of the database is empty", "--db"},
		"serve --db missing/f.db":               {"missing/f.db", "is the directory there"},
		"serve --events-to nats://127.0.0.1:1":  {"--events-to", "the subject is missing; write nats://HOST/SUBJECT"},
		"serve --test-clock yesterday":          {"--test-clock", "2026-01-31T08:00:00Z", "see: farebox serve --help"},
		"verify --log-level loud":               {"--log-level", "debug, info, warn or error"},
		"token":                                 {"--admin or --client", "see: farebox token --help"},
		"token --client":                        {"--instance", "see: farebox token --help"},
		"token --client --instance=":            {"--instance is empty", "see: farebox token --help"},
		"token --admin --ttl 5":                 {"--ttl", "90s, 30m or 24h", "see: farebox token --help"},
		"token --admin --key letter.db":         {"letter.db is not PEM"},
		"usage events --kind NONSENSE":          {"--kind", "SETTLEMENT", "LEASE_REPORT", "ADJUSTMENT"},
		"bench --workload nonsense":             {"--workload", "ordered", "rules", "see: farebox bench --help"},
		"rates apply empty.yaml":                {"empty.yaml", "is empty", "version and items"},
		"rates apply bad.csv":                   {"bad.csv:2", `"five" is not a decimal number`, "0.5"},
		"rates apply letter.db":                 {"letter.db", ".yaml, .yml, .json or .csv"},
		"migrate-db --to f.db":                  {"--to", "postgres://user@host/database", "see: farebox migrate-db --help"},
		"verify --db postgres://127.0.0.1:1/db": {"postgres://", "127.0.0.1:1", "cannot be reached", "is it running"},
	} {
		r := run(t, dir, strings.Fields(args)...)
		if r.code != 1 && r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, "farebox: ") {
			t.Errorf("farebox %s: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
		}
		for _, word := range words {
			if !strings.Contains(r.stderr, word) {
				t.Errorf("farebox %s does not say %q: %s", args, word, r.stderr)
			}
		}
	}
}

// In place of a file, - is the standard input; its format shows in how it begins.
func TestStandardInput(t *testing.T) {
	dir := t.TempDir()
	startIn(t, dir, "farebox.db").stop()
	key, err := os.ReadFile(filepath.Join(dir, "farebox.db.admin.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args, stdin string
		code        int
		want        string
	}{
		{"rates apply - --as csv", "name,rate\nrender,5\n", 0, "no series, version csv, from "},
		{"rates apply -", "# prices\nversion: yaml\nitems:\n- {name: render, rate: 6}\n", 0, "no series, version yaml, from "},
		{"rates apply - --as 3", `{"version": "json", "items": [{"name": "render", "rate": 7}]}`, 0, "no series, version 3, from "},
		{"rates apply -", "name,rate\nrender,5\n", 1, "give it one with --as"},
		{"rates apply - --as 4", "version: 4\nitems:\n- {name: render, rat: 6}\n", 1, "standard input:3: items[0].rat: is not known here"},
		{"rates apply -", " \n", 1, "the standard input is empty"},
		{"rates simulate -", "name,rate\nrender,5\n", 0, "0 charges at rates of the series"},
		{"rates import steps - --series solver --as 1", "name,up-to,tokens\nsolve,8,21\n", 0, "series solver, version 1, from "},
		{"rates import litellm - --series models --as 1", `{"gpt": {"input_cost_per_token": 0.1}}`, 0, "+ gpt/input  0.1"},
		{"packs apply -", "- {name: yaml, quantity: 3}\n", 0, "+ yaml  quantity 3"},
		{"packs apply -", `[{"name": "json", "quantity": 3}]`, 0, "+ json  quantity 3"},
		{"packs apply -", "- {name: yaml, quantity: none}\n", 1, "standard input: "},
		{"token --admin --key -", string(key), 0, "eyJ"},
		{"keys create --admin --public -", string(key), 1, "standard input "},
		{"usage backtest --days -", "5\nfive\n", 1, "standard input, line 2: must be the tokens of one day"},
		{"backup -", "", 2, "a database is not written to the standard output"},
	} {
		r := piped(t, dir, row.stdin, strings.Fields(row.args)...)
		if r.code != row.code || !strings.Contains(r.stdout+r.stderr, row.want) {
			t.Errorf("farebox %s <<< %q: exit %d\n%s%swant exit %d and %q", row.args, row.stdin, r.code, r.stdout, r.stderr, row.code, row.want)
		}
	}
	verify(t, filepath.Join(dir, "farebox.db"))
}

func TestASimulationOfNoTime(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "draft.csv"), []byte("name,rate\nrender,5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, filepath.Join(dir, "farebox.db")).stop()
	r := run(t, dir, "rates", "simulate", "draft.csv", "--from", "2026-02-01", "--to", "2026-01-01")
	if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, "farebox: --to: must be after from") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

// Every verb says what it is for, with an example that can be pasted.
func TestHelp(t *testing.T) {
	verbs := []string{"serve", "demo", "token", "keys", "rates", "usage", "verify", "backup", "migrate-db"}
	_, list, _ := strings.Cut(must(t, "", "--help"), "\nCommands:\n")
	for _, found := range command.FindAllStringSubmatch(list, -1) {
		verbs = append(verbs, strings.Fields(found[1])[0])
	}
	slices.Sort(verbs)
	for _, verb := range slices.Compact(verbs) {
		t.Run(verb, func(t *testing.T) {
			expectHelp(t, verb)
		})
	}
}

var (
	command = regexp.MustCompile(`(?m)^  ([a-z][a-z ]*[a-z])(  +.*)?$`)
	usageOf = regexp.MustCompile(`(?m)^Usage: farebox .*$`)
)

// expectHelp looks at the help of a verb and, if it is a group, of those below it.
func expectHelp(t *testing.T, path ...string) {
	t.Helper()
	r := run(t, t.TempDir(), append(path, "--help")...)
	if r.code != 0 || r.stderr != "" || !usageOf.MatchString(r.stdout) {
		t.Errorf("farebox %v --help: exit %d, stderr %q, stdout %q", path, r.code, r.stderr, r.stdout)
	}
	said, list, group := strings.Cut(r.stdout, "\nCommands:\n")
	example := regexp.MustCompile(`(?m)^    farebox ` + strings.Join(path, " ") + `\b`)
	if !example.MatchString(said) {
		t.Errorf("farebox %v --help has no example:\n%s", path, said)
	}
	if !group {
		return
	}
	verbs := command.FindAllStringSubmatch(list, -1)
	if len(verbs) == 0 {
		t.Errorf("farebox %v lists no commands:\n%s", path, r.stdout)
	}
	for _, found := range verbs {
		verb := strings.Fields(found[1])
		if len(verb) > len(path) && slices.Equal(verb[:len(path)], path) {
			verb = verb[len(path):] // it may list whole paths
		}
		expectHelp(t, slices.Concat(path, verb)...)
	}
}

// Results go to stdout and nothing else does: a token is pasted into a header as it is.
func TestTokenPrintsOnlyTheToken(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	for _, args := range [][]string{{"--admin"}, {"--client", "--instance", "one", "--instance", "two", "--ttl", "1m"}} {
		r := run(t, "", append([]string{"token", "--db", s.db}, args...)...)
		if r.code != 0 || r.stderr != "" || !regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+\n$`).MatchString(r.stdout) {
			t.Errorf("token %v: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
		}
	}
}

func TestMissingDatabase(t *testing.T) {
	dir := t.TempDir()
	for _, args := range []string{"verify", "usage events", "backup copy.db", "keys list", "keys delete --admin x", "token --admin"} {
		r := run(t, dir, strings.Fields(args)...)
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "farebox serve") {
			t.Errorf("farebox %s: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("they left %v %v", left, err)
	}
	r := run(t, dir, "serve", "--db", "missing/f.db")
	if r.code != 1 || !strings.Contains(r.stderr, "missing/f.db") {
		t.Errorf("serve in a directory that is not there: exit %d, stderr %q", r.code, r.stderr)
	}
}

func TestSecondServer(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	r := run(t, "", "serve", "--addr", "127.0.0.1:0", "--db", s.db)
	if r.code != 1 || !strings.Contains(r.stderr, "is being served by another process") || strings.Contains(r.stderr, "INFO") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
	s.stop() // which the second did not disturb
}

func TestSecondServerByAnotherName(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(s.db, link); err != nil {
		t.Fatal(err)
	}
	r := run(t, "", "serve", "--addr", "127.0.0.1:0", "--db", link)
	if r.code != 1 || !strings.Contains(r.stderr, "is being served by another process") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
}

func TestPortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, verb := range []string{"serve", "demo"} {
		r := run(t, t.TempDir(), verb, "--addr", listener.Addr().String())
		if r.code != 1 || !strings.Contains(r.stderr, "cannot listen on "+listener.Addr().String()) || !strings.Contains(r.stderr, "in use") {
			t.Errorf("%s: exit %d, stderr %q", verb, r.code, r.stderr)
		}
	}
}

func TestServeLogsToStderrOnly(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "f.db"))
	for _, want := range []string{`"msg":"registered a key"`, `"msg":"serving"`, "/docs/"} {
		if !strings.Contains(s.logs.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, s.logs)
		}
	}
	s.stop()
}
