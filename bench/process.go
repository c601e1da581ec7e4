package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server of ours in a process of its own, so that what it uses is measured alone.
type process struct {
	cmd     *exec.Cmd
	log     childLog
	base    *url.URL
	started time.Duration // from its start until it was ready
	done    chan struct{} // closed when it has ended
	err     error         // once done
}

const stopPatience = 60 * time.Second

// startProcess runs a verb that serves on the address it logs, and waits until it is ready.
func startProcess(ctx context.Context, binary string, args ...string) (*process, error) {
	p := &process{log: childLog{serving: make(chan string, 1)}, done: make(chan struct{})}
	p.cmd = exec.Command(binary, append(args, "--log-format", "json")...)
	p.cmd.Stderr, p.cmd.Env, p.cmd.SysProcAttr = &p.log, childEnvironment(), childAttributes()
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := p.await(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.started = time.Since(begun)
	return p, nil
}

func (p *process) await(ctx context.Context) error {
	select {
	case addr := <-p.log.serving:
		p.base = &url.URL{Scheme: "http", Host: addr}
	case <-p.done:
		return fmt.Errorf("the server ended at once: %s", p.log.last())
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		request, err := http.NewRequestWithContext(ctx, "GET", p.base.String()+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("the server ended at once: %s", p.log.last())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// stop asks the process to end and waits for it. Once more does nothing.
func (p *process) stop() error {
	http.DefaultClient.CloseIdleConnections() // the server waits a while for those that were never used
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended already
	select {
	case <-p.done:
	case <-time.After(stopPatience):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("the server did not stop within %s and was killed: %s", stopPatience, p.log.last())
	}
	if p.err != nil {
		return fmt.Errorf("the server ended with %w: %s", p.err, p.log.last())
	}
	return nil
}

// childEnvironment is ours without the settings that a server reads from there.
func childEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FAREBOX_") })
}

// runVerb runs a verb to its end and returns what it printed.
func runVerb(ctx context.Context, binary string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, append(args, "--log-level", "error")...)
	var out, log bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = childEnvironment(), &out, &log, childAttributes()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("farebox %s: %w: %s%s", args[0], err, out.String(), log.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// childLog finds the address in what a server logs, and keeps the end.
type childLog struct {
	mu      sync.Mutex
	text    []byte
	serving chan string
}

const logKept = 4 << 10

func (l *childLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) { // slog writes whole lines
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
			select {
			case l.serving <- entry.Addr:
			default:
			}
		}
	}
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-logKept):]
	return len(p), nil
}

// last returns the last line that was logged.
func (l *childLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(l.text)), "\n")
	return lines[len(lines)-1]
}
