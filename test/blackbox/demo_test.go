package blackbox

import (
	"bufio"
	"bytes"
	"io"
	"math/big"
	"os"
	"os/exec"
	"regexp"
	"strconv"
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
	shown += readUntil(t, in, " was split over ", " is in overdraft\n", " was denied ",
		" changed what a session uses: ", " halted a session: ", ", for free: ", " were used\n", " for 0 tokens, paid for until ")
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
	expectProof(t, shown)
	if at := strings.IndexFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); at >= 0 {
		t.Errorf("a control code at %q", shown[at:min(at+20, len(shown))])
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", &stderr)
	}
	expectEmpty(t, temp)
}

var (
	sessionsShown = regexp.MustCompile(`  (\d+) sessions opened, (\d+) closed, (\d+) free; `)
	tokensShown   = regexp.MustCompile(`  ([\d,.]+) tokens charged, ([\d,.]+) of them given back by sessions\n  ([\d,.]+) tokens used, `)
	proofShown    = regexp.MustCompile(`verify: all balances agree\n  \d+ line items, (\d+) sessions, .* usage events, ([\d.]+) tokens used, ([\d.]+) of them in the weeks before\n`)
)

// expectProof compares what was counted from the API with what the books say. All sessions are closed by then.
func expectProof(t testing.TB, shown string) {
	t.Helper()
	sessions, tokens, proof := sessionsShown.FindStringSubmatch(shown), tokensShown.FindStringSubmatch(shown), proofShown.FindStringSubmatch(shown)
	if sessions == nil || tokens == nil || proof == nil || strings.Contains(shown, "requests failed") {
		t.Fatalf("no verified end:\n%s", shown)
	}
	if sessions[1] != proof[1] || sessions[2] != proof[1] || sessions[1] == "0" {
		t.Errorf("sessions: %q, in the books %s", sessions[0], proof[1])
	}
	cents := func(text string) int { // shown are two digits, the rest cut off
		t.Helper()
		whole, fraction, _ := strings.Cut(strings.ReplaceAll(text, ",", ""), ".")
		n, err := strconv.Atoi(whole + (fraction + "00")[:2])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	charged, back, used := cents(tokens[1]), cents(tokens[2]), cents(tokens[3])
	if off := charged - back - used; off < 0 || off > 1 || back == 0 || used != cents(less(t, proof[2], proof[3])) {
		t.Errorf("%q, in the books %s used", tokens[0], proof[2])
	}
}

// less subtracts amounts.
func less(t testing.TB, a, b string) string {
	t.Helper()
	x, isX := new(big.Rat).SetString(a)
	y, isY := new(big.Rat).SetString(b)
	if !isX || !isY {
		t.Fatalf("%q less %q", a, b)
	}
	return x.Sub(x, y).FloatString(12)
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
