// Package rules holds the rules of charging as text that people can read and extend: see README.md.
package rules

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			runFile(t, file)
		})
	}
}

// runFile gives every case (a subtest of the file) a world of its own, so that no case depends on another.
func runFile(t *testing.T, file string) {
	var w *world
	var of string
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		if w == nil || of != t.Name() {
			w, of = newWorld(t), t.Name()
			t.Cleanup(w.audit)
		}
		w.TB = t
		return w.readable(w.directive(d))
	})
}

// directive runs one command of a file. Those with lines of their own are here, those of one line in command.
func (w *world) directive(d *datadriven.TestData) string {
	line := directiveLine(d)
	switch d.Cmd {
	case "given":
		return w.given(strings.Split(d.Input, "\n"))
	case "ask":
		return w.ask(parseArgs(line), lines(d.Input))
	case "use":
		return w.use(parseArgs(line), lines(d.Input))
	case "timeline":
		return w.timeline(parseArgs(line), lines(d.Input))
	case "http":
		return w.http(parseArgs(line), d.Input)
	case "each":
		return w.each(parseArgs(line), lines(d.Input))
	case "tokens":
		return w.tokens(parseArgs(line), lines(d.Input))
	}
	if d.Input != "" {
		w.Fatalf("%s: %q takes no lines of its own; has the ---- below it been forgotten?", d.Pos, d.Cmd)
	}
	return w.command(line)
}

// directiveLine returns the command as it was written.
func directiveLine(d *datadriven.TestData) string {
	words := []string{d.Cmd}
	for _, arg := range d.CmdArgs {
		word := arg.Key
		if len(arg.Vals) > 0 {
			word += "=" + strings.Join(arg.Vals, ",")
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// given runs commands that are to succeed; only those that do not say so.
func (w *world) given(commands []string) string {
	var failed []string
	for _, line := range commands {
		if answer := w.givenCommand(line); answer != "ok" {
			failed = append(failed, line+" -> "+answer)
		}
	}
	if len(failed) > 0 {
		return strings.Join(failed, "\n")
	}
	return "ok"
}

func (w *world) givenCommand(line string) string {
	switch a := parseArgs(line); a.command {
	case "clock", "restart":
		w.command(line)
		return "ok"
	case "use":
		_, answer := w.askInSession(a, nil)
		return outcome(answer)
	}
	return w.command(line)
}

// command runs a command of one line.
func (w *world) command(line string) string {
	a := parseArgs(line)
	switch a.command {
	case "instance":
		return w.createInstance(a)
	case "rate-table":
		return w.rateTable(line)
	case "delete-rate-table":
		return w.deleteRateTable(a)
	case "line-item":
		return w.lineItem(a)
	case "delete-line-item":
		return w.deleteLineItem(a)
	case "config":
		return w.config(a)
	case "record-source":
		return w.recordSource(a)
	case "clock":
		return w.setClock(a)
	case "restart":
		return w.restartAt(a)
	case "balances":
		return w.balances(a)
	case "events":
		return w.events(a)
	case "usage":
		return w.usage(a)
	case "key":
		return w.saveKey(a)
	case "delete-key":
		return w.deleteKey(a)
	case "token":
		return w.nameToken(a)
	case "ask":
		return w.ask(a, nil)
	case "session":
		return w.createSession(a)
	case "use":
		return w.use(a, nil)
	case "heartbeat":
		return w.heartbeat(a)
	case "close":
		return w.closeSession(a)
	case "show":
		return w.showSession(a)
	case "sessions":
		return w.listSessions(a)
	case "condition":
		return w.condition(a)
	case "actions":
		return w.putActions(line)
	case "rules":
		return w.showRules(a)
	case "limit":
		return w.putLimit(a)
	case "consumed":
		return w.showConsumed(a)
	case "lease":
		return w.lease(a)
	case "report":
		return w.report(a)
	case "end":
		return w.endLease(a)
	case "show-lease":
		return w.showLease(a)
	case "receipt":
		return w.showReceipt(a)
	case "refund":
		return w.refund(a)
	case "adjust":
		return w.adjust(a)
	case "top-up":
		return w.topUp(a)
	case "transfer":
		return w.transfer(a)
	}
	w.Fatalf("there is no command %q; README.md lists them", a.command)
	return ""
}

// args are the words of a command: NAME=VALUE, and those that stand alone.
type args struct {
	command string
	alone   []string
	named   map[string]string
}

func parseArgs(line string) args {
	words := strings.Fields(line)
	if len(words) == 0 {
		return args{}
	}
	a := args{command: words[0], named: map[string]string{}}
	for _, word := range words[1:] {
		name, value, found := strings.Cut(word, "=")
		if found && name != "" && !strings.ContainsAny(name, "/?{") {
			a.named[name] = value
		} else {
			a.alone = append(a.alone, word)
		}
	}
	return a
}

// flag takes a word that stands alone out of the arguments and reports whether it was there.
func (a *args) flag(name string) bool {
	for i, word := range a.alone {
		if word == name {
			a.alone = append(a.alone[:i:i], a.alone[i+1:]...)
			return true
		}
	}
	return false
}

// or returns a named argument, or what stands for it when it is left out.
func (a *args) or(name, otherwise string) string {
	if value, found := a.named[name]; found {
		return value
	}
	return otherwise
}

// version takes v1.0 or v1.1 out of the arguments.
func (a *args) version(otherwise string) string {
	for _, version := range []string{"v1.0", "v1.1"} {
		if a.flag(version) {
			return version
		}
	}
	return otherwise
}

func lines(input string) []string {
	if input == "" {
		return nil
	}
	return strings.Split(input, "\n")
}
