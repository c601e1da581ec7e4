package blackbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeyFiles(t *testing.T) {
	db := filepath.Join(t.TempDir(), "f.db")
	start(t, db).stop()
	files := []string{db + ".admin.pem", db + ".client.pem"}
	before := map[string]string{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", file, info.Mode().Perm())
		}
		before[file] = read(t, file)
	}
	keys := must(t, "", "keys", "list", "--db", db)
	start(t, db).stop()
	for file, text := range before {
		if read(t, file) != text {
			t.Errorf("the second start changed %s", file)
		}
	}
	if again := must(t, "", "keys", "list", "--db", db); again != keys || strings.Count(keys, "\n") != 3 {
		t.Errorf("the keys were\n%s\nand are\n%s", keys, again)
	}
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Keys are saved and deleted beside a running server, which knows within ten seconds (decisions.md D30).
func TestKeysBesideAServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, filepath.Join(dir, "f.db"))
	admin := s.admin()
	instance := admin.newInstance(t, "acme")

	r := run(t, dir, "keys", "create", "--client", "--id", "of-acme", "--out", "acme.pem", "--db", s.db)
	if r.code != 0 || r.stdout != "of-acme\n" {
		t.Fatalf("exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
	if info, err := os.Stat(filepath.Join(dir, "acme.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if r := run(t, dir, "keys", "create", "--client", "--id", "again", "--out", "acme.pem", "--db", s.db); r.code != 1 || !strings.Contains(r.stderr, "acme.pem") {
		t.Errorf("a private key was written over: exit %d, stderr %q", r.code, r.stderr)
	}
	if list := must(t, dir, "keys", "list", "--db", s.db); !strings.Contains(list, "of-acme") || strings.Contains(list, "again") {
		t.Errorf("the list is\n%s", list)
	}

	app := newClient(s.url(), token(t, s.db, "--client", "--instance", instance, "--key", filepath.Join(dir, "acme.pem"), "--kid", "of-acme"))
	defer app.http.CloseIdleConnections()
	expectStatus(t, app, instances+"/"+instance, 200)
	must(t, dir, "keys", "delete", "--client", "of-acme", "--db", s.db)
	expectStatus(t, app, instances+"/"+instance, 401)
	if a, err := admin.call("GET", instances+"/"+instance, "", ""); err != nil || a.status != 200 {
		t.Errorf("the other keys do not work any more: %v %v", a, err)
	}
}

// expectStatus asks until a status comes.
func expectStatus(t testing.TB, c *client, path string, want int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		a, err := c.call("GET", path, "", "")
		if err == nil && a.status == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("GET %s still answers %v %v, not %d", path, a, err, want)
		}
	}
}

func TestLastAdministrationKeyStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, filepath.Join(dir, "f.db"))
	admin := s.admin()
	var keys struct{ Keys []struct{ ID, Type string } }
	admin.must(t, "GET", "/dynamicmonetization/api/v1.1/public-keys", "", &keys)
	id := ""
	for _, k := range keys.Keys {
		if k.Type == "administration-key" {
			id = k.ID
		}
	}
	if r := run(t, dir, "keys", "delete", "--admin", id, "--db", s.db); r.code != 1 || !strings.Contains(r.stderr, "last administration key") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
	if r := run(t, dir, "keys", "delete", "--admin", "nobody", "--db", s.db); r.code != 1 || !strings.Contains(r.stderr, "no such key") {
		t.Errorf("exit %d, stderr %q", r.code, r.stderr)
	}
	must(t, dir, "keys", "create", "--admin", "--id", "second", "--db", s.db)
	must(t, dir, "keys", "delete", "--admin", id, "--db", s.db)
	expectStatus(t, admin, "/dynamicmonetization/api/v1.1/public-keys", 401)
}
