package blackbox

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Into a pipe the demo prints lines, without control codes; its files are gone at the end.
func TestDemoInAPipe(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := demo(temp, "--addr", "127.0.0.1:0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()

	in := bufio.NewReader(out)
	shown := readUntil(t, in, "access-request\n", " charges/s, ")
	tryHints(t, shown)
	shown += readUntil(t, in, " was split over ", " is in overdraft\n", " was denied ")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	shown += string(rest)
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if !strings.Contains(shown, "all balances agree") {
		t.Errorf("no verified end:\n%s", shown)
	}
	if at := strings.IndexFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); at >= 0 {
		t.Errorf("a control code at %q", shown[at:min(at+20, len(shown))])
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", &stderr)
	}
	expectEmpty(t, temp)
}

func demo(temp string, args ...string) *exec.Cmd {
	cmd := exec.Command(farebox, append([]string{"demo"}, args...)...)
	cmd.Env = append(environment(), "TMPDIR="+temp)
	return cmd
}

// readUntil returns what comes until all of some texts were seen.
func readUntil(t testing.TB, in *bufio.Reader, texts ...string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		all.WriteString(line)
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(all.String(), text)
		}
		if !missing {
			return all.String()
		}
		if err != nil {
			t.Fatalf("the demo ended before it showed %q:\n%s", texts, all.String())
		}
	}
}

// tryHints pastes the commands that the demo shows into a shell.
func tryHints(t testing.TB, shown string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("SKIPPED: curl is not here, so the demo's hints were not tried")
		return
	}
	var script strings.Builder
	for line := range strings.Lines(shown) {
		if strings.HasPrefix(line, "  TOKEN=") || strings.HasPrefix(line, "  curl ") {
			script.WriteString(line)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script.String())
	cmd.Env = environment()
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), `"events":[`) || !strings.Contains(string(text), `"value":"me"`) {
		t.Errorf("%s\nprints %v %s", &script, err, text)
	}
}

func expectEmpty(t testing.TB, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v %v", dir, left, err)
	}
}

func TestDemoStopsByItself(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := demo(temp, "--addr", "127.0.0.1:0", "--for", "1s")
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "all balances agree") {
		t.Errorf("%v\n%s", err, text)
	}
	expectEmpty(t, temp)
}

// Nobody reads any more: that is an end like another.
func TestDemoIntoAClosedPipe(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `{ "$0" demo --addr 127.0.0.1:0; echo "exit $?" >&2; } | head -1`, farebox)
	cmd.Env = append(environment(), "TMPDIR="+temp)
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(text), "exit 0\n") || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%v\n%s", err, text)
	}
	expectEmpty(t, temp)
}
