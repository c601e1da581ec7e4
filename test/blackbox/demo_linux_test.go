package blackbox

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// On a terminal the demo paints whole frames in place, follows its size, and gives it back as it was, however it ends.
func TestDemoOnATerminal(t *testing.T) {
	for name, end := range map[string]func(*terminal, *os.Process){
		"Ctrl-C":  func(t *terminal, _ *os.Process) { t.press("\x03") },
		"q":       func(t *terminal, _ *os.Process) { t.press("q") },
		"SIGINT":  func(_ *terminal, p *os.Process) { _ = p.Signal(syscall.SIGINT) },
		"SIGTERM": func(_ *terminal, p *os.Process) { _ = p.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			term := openTerminal(t, 80, 24)
			before := term.modes(t)
			cmd := demo(temp, "--addr", "127.0.0.1:0")
			cmd.Env = append(cmd.Env, "TERM=xterm-256color", "LC_ALL=C.UTF-8", "NO_COLOR=")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = term.inner, term.inner, term.inner
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			term.expectFrame(t, 80, 24)
			term.resize(t, 120, 40)
			term.expectFrame(t, 120, 40)
			end(term, cmd.Process)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, term.text())
			}
			term.expectLeft(t, before)
			expectEmpty(t, temp)
		})
	}
}

// terminal is a pseudo-terminal: the demo has its inner end, the test looks from outside.
type terminal struct {
	outer, inner *os.File
	mu           sync.Mutex
	shown        bytes.Buffer
}

func openTerminal(t *testing.T, columns, rows uint16) *terminal {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED, the demo was not tried on a terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{outer: outer, inner: inner}
	term.resize(t, columns, rows)
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := outer.Read(buffer)
			if err != nil {
				return
			}
			term.mu.Lock()
			term.shown.Write(buffer[:n])
			term.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _, _ = inner.Close(), outer.Close() })
	return term
}

func (term *terminal) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(term.outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

func (term *terminal) modes(t *testing.T) unix.Termios {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(term.inner.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *modes
}

func (term *terminal) press(keys string) { _, _ = term.outer.WriteString(keys) }

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shown.String()
}

const (
	takeScreen = "\x1b[?1049h\x1b[?25l"
	giveScreen = "\x1b[?25h\x1b[?1049l"
)

// expectFrame waits for a frame of a size. One that scrolled would have a line too many.
func (term *terminal) expectFrame(t *testing.T, columns, rows int) {
	t.Helper()
	for end := time.Now().Add(patience / 2); ; time.Sleep(20 * time.Millisecond) {
		text := term.text()
		if from := strings.LastIndex(text, "\x1b[?2026h\x1b[H"); from >= 0 {
			if frame, _, whole := strings.Cut(text[from:], "\x1b[?2026l"); whole && strings.Count(frame, "\r\n") == rows-1 && strings.Contains(frame, "NORD-2026-1") {
				expectWidth(t, frame, columns)
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("no frame of %dx%d:\n%q", columns, rows, text[max(0, len(text)-4_000):])
		}
	}
}

// links are where links begin and end in a terminal (OSC 8).
var links = regexp.MustCompile("\x1b]8;;[^\x1b]*\x1b\\\\")

func expectWidth(t *testing.T, frame string, columns int) {
	t.Helper()
	frame = strings.TrimPrefix(frame, "\x1b[?2026h\x1b[H")
	for line := range strings.SplitSeq(frame, "\r\n") {
		width, control := 0, false
		for _, r := range links.ReplaceAllString(line, "") {
			switch {
			case r == '\x1b':
				control = true
			case control:
				control = r < 'A' || r == '[' // up to the letter that ends it
			default:
				width++
			}
		}
		if width != columns {
			t.Errorf("a line is %d columns wide: %q", width, line)
		}
	}
}

// expectLeft looks at the terminal after the end: the screen and the cursor are back, and the keys do what they did.
func (term *terminal) expectLeft(t *testing.T, before unix.Termios) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(term.text(), "farebox serve\r\n") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	text := term.text()
	taken, given := strings.Index(text, takeScreen), strings.LastIndex(text, giveScreen)
	if taken < 0 || given < taken || strings.Count(text, "\x1b[?25l") != 1 {
		t.Errorf("the screen was taken at %d and given back at %d of %d", taken, given, len(text))
	}
	if after := text[max(given, 0):]; !strings.Contains(after, "all balances agree") {
		t.Errorf("the summary is not on the screen of before: %q", after)
	}
	if after := term.modes(t); !reflect.DeepEqual(before, after) {
		t.Errorf("the terminal's modes were %+v and are %+v", before, after)
	}
}
