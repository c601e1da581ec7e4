package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/farebox/farebox/token"
)

// demoView shows a state to whoever watches.
type demoView interface {
	show(*demoState) error // fails when nobody watches any more
	logs() io.Writer
	close() // gives the terminal back; may be called again
}

// openDemoView takes a terminal over, if that is what out is; else it prints lines.
func openDemoView(out *os.File, stop func()) (demoView, error) {
	if kind := os.Getenv("TERM"); kind == "" || kind == "dumb" || !term.IsTerminal(int(out.Fd())) {
		return &demoLines{out: out}, nil
	}
	return openDemoScreen(out, stop)
}

// demoScreen paints the whole screen of a terminal in place, and gives it back as it was.
type demoScreen struct {
	out    *os.File
	ink    ink
	keys   *term.State // of the terminal before we took it; nil: not taken
	held   heldLogs
	closed sync.Once
}

// Control sequences (ECMA-48, and DEC private modes as xterm has them). A terminal that knows synchronized output shows a
// frame when it is whole; others ignore it.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J" // the other screen, no cursor, no wrapping
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	beginFrame  = "\x1b[?2026h\x1b[H"
	endFrame    = "\x1b[?2026l"
)

func openDemoScreen(out *os.File, stop func()) (*demoScreen, error) {
	v := &demoScreen{out: out, ink: ink{color: os.Getenv("NO_COLOR") == "", unicode: unicodeTerminal()}}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		var err error
		if v.keys, err = term.MakeRaw(in); err != nil {
			return nil, err
		}
		go readKeys(os.Stdin, stop)
	}
	signal.Ignore(syscall.SIGTSTP) // a screen that was taken over cannot be left half way
	if _, err := io.WriteString(out, enterScreen); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// unicodeTerminal reports whether the locale can show more than ASCII.
func unicodeTerminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(os.Getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// readKeys stops at q and at the keys that would be signals if the terminal were not ours.
func readKeys(in io.Reader, stop func()) {
	const ctrlC, ctrlD, ctrlBackslash = 3, 4, 28
	var key [1]byte
	for {
		if n, err := in.Read(key[:]); err != nil || n == 0 {
			return
		}
		switch key[0] {
		case 'q', 'Q', ctrlC, ctrlD, ctrlBackslash:
			stop()
		}
	}
}

func (v *demoScreen) show(s *demoState) error {
	width, height, err := term.GetSize(int(v.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	// One write, so that no half of a frame is seen. Every line is as wide as the screen: there is nothing to erase.
	_, err = io.WriteString(v.out, beginFrame+strings.Join(s.screen(width, height, v.ink), "\r\n")+endFrame)
	return err
}

func (v *demoScreen) logs() io.Writer { return &v.held }

func (v *demoScreen) close() {
	v.closed.Do(func() {
		_, _ = io.WriteString(v.out, leaveScreen)
		if v.keys != nil {
			_ = term.Restore(int(os.Stdin.Fd()), v.keys)
		}
		v.held.release(os.Stderr)
	})
}

// heldLogs keeps logs until the screen is free again.
type heldLogs struct {
	mu   sync.Mutex
	kept bytes.Buffer
	to   io.Writer
}

const logsKept = 64 << 10

func (l *heldLogs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		return l.to.Write(p)
	}
	if l.kept.Len()+len(p) <= logsKept {
		l.kept.Write(p)
	}
	return len(p), nil
}

func (l *heldLogs) release(to io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
	_, _ = l.kept.WriteTo(to)
}

// demoLines prints a line a second, and one for everything worth telling.
type demoLines struct {
	out     io.Writer
	started bool
	told    int // news that were printed
	next    time.Time
}

func (v *demoLines) logs() io.Writer { return os.Stderr }
func (v *demoLines) close()          {}

func (v *demoLines) show(s *demoState) error {
	var text strings.Builder
	if !v.started {
		v.started, v.next = true, s.now.Add(time.Second)
		writeOpening(&text, s)
	}
	at := duration(s.now.Sub(s.started))
	fresh := min(s.told-v.told, len(s.news))
	v.told = s.told
	for _, news := range s.news[len(s.news)-fresh:] {
		fmt.Fprintf(&text, "%5s  * %s\n", at, news)
	}
	if s.warning != "" {
		fmt.Fprintf(&text, "%5s  ! %s\n", at, plainText(s.warning))
	}
	if !s.now.Before(v.next) {
		v.next = v.next.Add(time.Second)
		fmt.Fprintf(&text, "%5s  %s\n", at, s.plainLine())
	}
	_, err := io.WriteString(v.out, text.String())
	return err
}

func writeOpening(w io.Writer, s *demoState) {
	fmt.Fprintf(w, "Farebox demo on http://%s, docs on http://%s/docs/. Ctrl-C or SIGTERM ends it and removes its database.\n", s.addr, s.addr)
	fmt.Fprintln(w, "The console, by a link that signs in once:")
	fmt.Fprintln(w, "  "+s.link)
	fmt.Fprintln(w, "Try it from another terminal; the first prints another such link:")
	for _, words := range s.hints {
		fmt.Fprintln(w, "  "+strings.Join(words, " "))
	}
}

// plainLine is a state in one line: what happened, and what each customer has left.
func (s *demoState) plainLine() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s charges/s, %s granted, %s denied, %s tokens used, %s back, %s sessions open; left:",
		amount(s.requests.perSecond(s.now), 1), number(s.granted), number(s.denied), amount(s.tokens, 2), amount(s.back, 2), number(s.open()))
	for i, a := range s.accounts {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, " %s %s", a.id, a.left(s.now))
	}
	return text.String()
}

// left says what an account's line items can still pay, and how far they are overdrawn.
func (a *demoAccount) left(now time.Time) string {
	var left, over token.Amount
	for _, l := range a.lineItems {
		left, over = left.Add(l.balance(now)), over.Add(l.OverdraftUsed())
	}
	if over.IsZero() {
		return amount(left, 2)
	}
	return amount(left, 2) + " (" + amount(over, 2) + " overdrawn)"
}
