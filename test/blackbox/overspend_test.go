package blackbox

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// Never overspend: 64 clients charge one line item of 10,000 tokens at once, by 1.
func TestNeverOverspend(t *testing.T) {
	for name, c := range map[string]struct {
		attributes string
		allowed    int
	}{
		"without overdraft": {"", 10_000},
		"with overdraft":    {`,"overdraftType":"Number","overdraftLimit":500`, 10_500},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, filepath.Join(t.TempDir(), "f.db"))
			admin := s.admin()
			instance := admin.newInstance(t, "acme")
			admin.putLineItem(t, instance, "L", 10_000, c.attributes)
			app := newClient(s.url(), token(t, s.db, "--client", "--instance", instance))
			codes := countCodes(t, app, instance, c.allowed)
			for half, want := range map[string]string{"v1.0": "306", "v1.1": "1306"} {
				if n := codes[half+" "+want]; n == 0 {
					t.Errorf("nobody was refused with %s by %s", want, half)
				}
			}
			if got := codes["v1.0 101"] + codes["v1.1 1101"]; got != c.allowed {
				t.Errorf("%d were granted, not %d: %v", got, c.allowed, codes)
			}
			if n := len(codes); n != 4 {
				t.Errorf("codes: %v", codes)
			}
			if used := admin.used(t, instance, "L").RatString(); used != fmt.Sprint(c.allowed) {
				t.Errorf("used is %s", used)
			}
			app.http.CloseIdleConnections()
			s.stop()
			verify(t, s.db)
		})
	}
}

// countCodes lets 64 clients ask for 1 until there is too little for all, and counts the answers by API version and code.
// Every other client speaks v1.0.
func countCodes(t *testing.T, app *client, instance string, allowed int) map[string]int {
	const clients = 64
	var mu sync.Mutex
	codes := map[string]int{}
	var running sync.WaitGroup
	for i := range clients {
		version := []string{"v1.0", "v1.1"}[i%2]
		running.Go(func() {
			for range allowed/clients + 5 {
				a, err := app.call("POST", accessPath(version, instance), "", ask("unit", "", "1"))
				if err != nil || a.status != 200 {
					t.Error(a, err)
					return
				}
				g, err := parseGranted(a.body)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				codes[version+" "+g.RequestedItems[0].Status.Code]++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return codes
}
