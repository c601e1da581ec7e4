package webhook

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAddressesThatAreNotPublic(t *testing.T) {
	for addr, public := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.32.0.1": true, "100.128.0.1": true, "2606:4700:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fc00::1": false, "fd00:ec2::254": false,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false,
		"100.64.0.1": false, "100.100.100.200": false, "192.0.0.192": false, "198.18.0.1": false,
		"0.0.0.0": false, "0.1.2.3": false, "::": false, "224.0.0.1": false, "239.1.1.1": false, "ff02::1": false, "240.0.0.1": false, "255.255.255.255": false,
		"192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "2001:db8::1": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::a00:1": false, "2002:7f00:1::": false, "2001::1": false, "100::1": false,
	} {
		if why := notPublicWhy(netip.MustParseAddr(addr)); (why == "") != public {
			t.Errorf("%s: public %t, want %t (%s)", addr, why == "", public, why)
		}
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"https://example.com/hooks?a=b": "", "https://8.8.8.8:8443": "", "https://[2606:4700:4700::1111]/": "",
		"": "must have", "example.com": "must be a URL", "https://": "must be a URL", "mailto:a@example.com": "must be a URL", "ftp://example.com": "must begin",
		"http://example.com": "must begin", "https://a:b@example.com": "must not hold", "https://example.com/#a": "must not have", "https://x\x00": "must be a URL",
		"https://localhost": "names localhost", "https://LOCALHOST.:1": "names localhost", "https://a.localhost": "names a.localhost",
		"https://10.0.0.1": "names 10.0.0.1", "https://[::1]:1": "names ::1", "https://[::ffff:a9fe:a9fe]": "names ::ffff", "https://[fe80::1%25eth0]": "names fe80::1",
		"https://example.com/" + strings.Repeat("x", 2048): "must have",
	} {
		err := CheckURL(url, false)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), "url: "+want)) {
			t.Errorf("%.50q: %v, want %q", url, err, want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1", "http://localhost"} {
		if err := CheckURL(url, true); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A name that stands for an address of this machine is found out when it is dialled, whatever it stood for before.
func TestNamesAreCheckedWhenTheyAreDialled(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"} {
		_, err := NewSender(false, nil).client.Get("http://" + host + ":" + port)
		if refused, ok := errors.AsType[*Refused](err); !ok {
			t.Errorf("%s: %v (%v)", host, err, refused)
		}
	}
	if reached {
		t.Error("it was reached")
	}
}

func TestPatienceEnds(t *testing.T) {
	long := time.Minute
	for _, row := range []struct {
		name   string
		p      patience
		answer func(http.ResponseWriter, *http.Request)
		status int
		err    string
	}{
		{"no header comes", patience{long, 100 * time.Millisecond, long}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "no answer came in time"},
		{"the body trickles", patience{long, long, 2 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			for {
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}, 500, "the answer did not come in time"},
		{"but it was taken", patience{long, long, 2 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 200, ""},
		{"a header that is too long", patience{long, long, long}, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, 0, "headers exceeded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice who hangs up
				row.answer(w, r)
			}))
			defer server.Close()
			s := newSender(true, row.p)
			defer s.Close()
			a := s.Send(t.Context(), &Message{URL: server.URL, ID: "msg_1", Time: time.Now(), Body: []byte("{}"), Secrets: []string{NewSecret()}})
			if a.Status != row.status || (a.Err == nil) != (row.err == "") || a.Err != nil && !strings.Contains(a.Err.Error(), row.err) {
				t.Errorf("%+v, want %d %s", a, row.status, row.err)
			}
		})
	}
}

// The proxy that the environment names is not used.
func TestNoProxy(t *testing.T) {
	if s := NewSender(false, nil); s.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}

func TestRetries(t *testing.T) {
	var total time.Duration
	for n := 1; total < RetryFor; n++ {
		low, high := Retry(n, 0, 0), Retry(n, 0, 1)
		if low >= high || low <= 0 || n < 9 && Retry(n+1, 0, 0) <= high {
			t.Errorf("after %d: %s to %s", n, low, high)
		}
		total += low
		if n > 25 {
			t.Fatal("too many")
		}
	}
}

// A receiver can ask for more time, up to the longest that is waited anyway, and not for less.
func TestReceiversAskForTime(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "2": 5 * time.Second, "90": 90 * time.Second, "3600": time.Hour, "999999": 8 * time.Hour, "2147483647": 8 * time.Hour,
		"Thu, 01 Jan 2026 12:10:00 GMT": 10 * time.Minute, "Thu, 01 Jan 2026 11:00:00 GMT": 0, "Fri, 01 Jan 2100 11:00:00 GMT": 8 * time.Hour,
		"-5": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
	} {
		if got := Retry(1, retryAfter(text, now), 0.5); got != max(want, 5*time.Second) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
