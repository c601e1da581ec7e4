package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/farebox/farebox/usage"
)

// Sourcing says whether, and how exactly, it is recorded where requests come from. The zero value records nothing.
type Sourcing struct {
	Record  Precision
	Proxies []netip.Prefix // whose X-Forwarded-For is believed
}

// Precision says how much of an address is recorded.
type Precision string

// The precisions there are.
const (
	NoSource    Precision = "off"
	ShortSource Precision = "short" // the network alone: 24 bits of an IPv4 address, 48 of an IPv6 address
	FullSource  Precision = "full"
)

const (
	shortV4 = 24
	shortV6 = 48

	userAgentMost = 256 // bytes; the rest is cut off
)

// ParseProxies reads networks (10.0.0.0/8) and single addresses.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, alone := netip.ParseAddr(text); err != nil && alone == nil {
			prefix, err = addr.Unmap().Prefix(addr.Unmap().BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
		}
		all[i] = prefix.Masked()
	}
	return all, nil
}

// source returns where a call came from; nil unless that is recorded.
func (c *call) source() *usage.Source { return c.server.sourcing.of(c.Request) }

func (s *Sourcing) of(r *http.Request) *usage.Source {
	if s.Record == "" || s.Record == NoSource {
		return nil
	}
	agent := strings.ToValidUTF8(r.UserAgent(), "\uFFFD")
	if len(agent) > userAgentMost {
		agent = strings.ToValidUTF8(agent[:userAgentMost], "")
	}
	return &usage.Source{Address: s.shorten(s.caller(r)), UserAgent: agent}
}

// caller returns the address of whoever called: of the nearest hop that is no proxy of ours. What a stranger writes into
// X-Forwarded-For is not believed.
func (s *Sourcing) caller(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func (s *Sourcing) trusted(addr netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (s *Sourcing) shorten(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return ""
	case s.Record == FullSource:
		return addr.String()
	}
	bits := shortV6
	if addr.Is4() {
		bits = shortV4
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}
