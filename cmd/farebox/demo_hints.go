package main

import (
	"os"
	"os/exec"
)

// demoHints are commands, as words, that show what a token is for.
func demoHints(addr, db string, w *demoWorld) [][]string {
	instance, always := w.customers[0].instanceID, w.customers[len(w.customers)-1].instanceID // the latter has a session open always
	console := []string{thisProgram(), "console", "--admin", "--db", db}
	if addr != demoAddr { // where the console is expected
		console = append(console, "--server", "http://"+reachable(addr))
	}
	return [][]string{
		console,
		{"TOKEN=$(" + thisProgram(), "token", "--admin", "--db", db + ")"},
		{"curl", "-s", "-H", `"Authorization: Bearer $TOKEN"`, "'http://" + addr + "/farebox/v1/usage/events?kind=DENIAL&limit=1'"},
		{"curl", "-s", "-H", `"Authorization: Bearer $TOKEN"`,
			"-d", `'{"requester":{"type":"user","value":"me"},"requestedItems":[{"item":"render.frame","version":"4k","count":1}]}'`,
			"http://" + addr + "/dynamicmonetization/elastic/api/v1.1/instances/" + instance + "/access-request"},
		{"curl", "-s", "-H", `"Authorization: Bearer $TOKEN"`, "'http://" + addr + "/farebox/v1/sessions?instanceId=" + always + "'"},
	}
}

// thisProgram is how to call it from the shell it was called from.
func thisProgram() string {
	self, err := os.Executable()
	if err != nil {
		return "farebox"
	}
	if found, err := exec.LookPath("farebox"); err == nil && sameFile(found, self) {
		return "farebox"
	}
	if sameFile(os.Args[0], self) {
		return os.Args[0]
	}
	return self
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// tryIt shows what to type in another terminal, as far as it can be pasted from a screen of this width.
func (s *demoState) tryIt(width int, all, links bool) []line {
	lines := []line{{text(faint, " q or Ctrl-C ends it and removes its database · from another terminal, try")}}
	if links && s.link != "" {
		lines = []line{{
			text(faint, " q ends it and removes its database · "), span{strong, "open the console", s.link}, text(faint, " · in another terminal, try"),
		}}
	}
	for i, words := range s.hints {
		if i >= 3 && !all {
			break
		}
		pasted, fits := pasteable(words, width)
		if i > 0 && !fits {
			continue
		}
		for _, l := range pasted {
			lines = append(lines, line{text(plain, l)})
		}
	}
	return lines
}

// pasteable breaks a command into lines that a shell joins again, and reports whether they fit.
func pasteable(words []string, width int) (lines []string, fits bool) {
	current, fits := "", true
	for _, word := range words {
		if len(current)+len(word)+3 > width && current != "" {
			lines = append(lines, current+" \\")
			current = " "
		}
		current += " " + word
		fits = fits && len(current) <= width
	}
	return append(lines, current), fits
}
