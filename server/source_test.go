package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/farebox/farebox/usage"
)

func TestSource(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8", "fd00::1", "192.0.2.9"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("é", 200)
	for _, c := range []struct {
		name      string
		record    Precision
		peer      string
		forwarded []string
		agent     string
		want      *usage.Source
	}{
		{"nothing unless told", "", "203.0.113.7:1", nil, "app/1", nil},
		{"off is nothing", NoSource, "203.0.113.7:1", nil, "app/1", nil},
		{"short keeps the network", ShortSource, "203.0.113.7:1", nil, "app/1", &usage.Source{Address: "203.0.113.0/24", UserAgent: "app/1"}},
		{"short of IPv6", ShortSource, "[2001:db8:1:2::3]:1", nil, "", &usage.Source{Address: "2001:db8:1::/48"}},
		{"full keeps all", FullSource, "203.0.113.7:1", nil, "", &usage.Source{Address: "203.0.113.7"}},
		{"an IPv4 address in IPv6 is one of IPv4", FullSource, "[::ffff:203.0.113.7]:1", nil, "", &usage.Source{Address: "203.0.113.7"}},
		{"no zone", FullSource, "[fe80::1%eth0]:1", nil, "", &usage.Source{Address: "fe80::1"}},
		{"a stranger is not believed", FullSource, "203.0.113.7:1", []string{"198.51.100.1"}, "", &usage.Source{Address: "203.0.113.7"}},
		{"a proxy is believed", FullSource, "10.1.2.3:1", []string{"198.51.100.1"}, "", &usage.Source{Address: "198.51.100.1"}},
		{"and so are proxies behind it, but no further", FullSource, "10.1.2.3:1", []string{"1.1.1.1, 198.51.100.1", "192.0.2.9,10.9.9.9"}, "",
			&usage.Source{Address: "198.51.100.1"}},
		{"what a proxy says is no address", FullSource, "10.1.2.3:1", []string{"unknown"}, "", &usage.Source{Address: "10.1.2.3"}},
		{"no address at all", FullSource, "@", nil, "app", &usage.Source{UserAgent: "app"}},
		{"a long agent is cut between letters", FullSource, "@", nil, long, &usage.Source{UserAgent: long[:256]}},
		{"an agent that is no text", FullSource, "@", nil, "a\xffb", &usage.Source{UserAgent: "a\uFFFDb"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			r.Header.Set("User-Agent", c.agent)
			got := (&Sourcing{Record: c.record, Proxies: proxies}).of(r)
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, text := range []string{"", "10.0.0.0/99", "proxy.example"} {
		if _, err := ParseProxies([]string{text}); err == nil {
			t.Errorf("%q was taken for a network", text)
		}
	}
}
