// Package readme runs the README's tour and the guides, so that what newcomers are told to type works.
package readme

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is a block of commands and what the text says they print; in that, … stands for anything on a line.
type step struct{ commands, want string }

func TestTour(t *testing.T) {
	text := read(t, "README.md")
	_, text, _ = strings.Cut(text, "## A five-minute tour")
	text, _, _ = strings.Cut(text, "\n## ")
	follow(t, text, 8)
}

func TestGuides(t *testing.T) {
	for guide, least := range map[string]int{"docs/sessions.md": 8, "docs/BUSINESS-MODELS.md": 8, "docs/ALERTS.md": 2} {
		t.Run(guide, func(t *testing.T) {
			follow(t, "```sh\nmake build\nexport PATH=$PWD/bin:$PATH\n```\n"+read(t, guide), least)
		})
	}
}

func read(t *testing.T, file string) string {
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// follow types what a text tells to, which is at least so many steps.
func follow(t *testing.T, text string, least int) {
	steps := stepsOf(t, text)
	if len(steps) < least {
		t.Fatalf("found only %d steps", len(steps))
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	got := runAll(t, root, steps)
	for i, s := range steps {
		if s.want != "" && !matches(s.want, got[i]) {
			t.Errorf("%s\nprinted:\n%s\nthe text says:\n%s", s.commands, got[i], s.want)
		}
	}
}

func stepsOf(t *testing.T, text string) (steps []step) {
	for _, block := range regexp.MustCompile("(?s)```(sh|text)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		switch {
		case block[1] == "sh":
			steps = append(steps, step{commands: block[2]})
		case len(steps) == 0 || steps[len(steps)-1].want != "":
			t.Fatal("a text block without commands before it")
		default:
			steps[len(steps)-1].want = block[2]
		}
	}
	return steps
}

// runAll runs the steps in one shell, in an empty directory, on a free port.
func runAll(t *testing.T, root string, steps []step) []string {
	const mark = "=== end of step ==="
	var script strings.Builder
	fmt.Fprintf(&script, "set -eu\nexec 2>&1\nmake() { command make -s -C %q \"$@\"; }\n", root)
	fmt.Fprintf(&script, "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n")
	addr := freeAddr(t)
	for _, s := range steps {
		commands := strings.ReplaceAll(s.commands, "127.0.0.1:8080", addr)
		commands = strings.ReplaceAll(commands, "$PWD/bin", root+"/bin")
		fmt.Fprintf(&script, "%s\necho '%s'\n", commands, mark)
	}
	shell := exec.CommandContext(t.Context(), "bash")
	shell.Dir = t.TempDir()
	shell.Stdin = strings.NewReader(script.String())
	shell.WaitDelay = 5 * time.Second
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(string(out), mark+"\n")
}

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func matches(want, got string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*")
	blank := regexp.MustCompile(`\n+`)
	return regexp.MustCompile("^" + pattern + "$").MatchString(blank.ReplaceAllString(strings.TrimSpace(got), "\n"))
}
