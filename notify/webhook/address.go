package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/farebox/farebox/problem"
)

// urlMost is how long a URL may be, in bytes.
const urlMost = 2048

// CheckURL refuses a URL that events are not sent to. With private, http and addresses that are not public are allowed. What a name stands
// for is checked when it is dialled. The problem names the field url.
func CheckURL(text string, private bool) error {
	if text == "" || len(text) > urlMost {
		return problem.Field("url", "must have 1 to %d bytes", urlMost)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return problem.Field("url", "must be a URL such as https://example.com/hooks")
	case u.Scheme != "https" && !(private && u.Scheme == "http"):
		return problem.Field("url", "must begin with https://; `farebox serve --webhook-allow-private` allows http too")
	case u.User != nil:
		return problem.Field("url", "must not hold a name or a password; the signature proves who sends")
	case u.Fragment != "":
		return problem.Field("url", "must not have a #fragment, which is never sent")
	case private:
		return nil
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return refused(host, "this machine")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if why := notPublicWhy(addr); why != "" {
			return refused(host, why)
		}
	}
	return nil
}

func refused(host, why string) error {
	return problem.Field("url", "names %s, %s; events go to public addresses only, unless the server was started with --webhook-allow-private", host, why)
}

// notPublic are networks that no event is sent to, beside those that package netip knows.
var notPublic = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", // of 2000::/3: protocols, documentation, and those that hold an IPv4 address
)

var public6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// notPublicWhy says why an address is none of the public internet; empty if it is. An IPv4 address in the clothes of IPv6 counts as what
// it is.
func notPublicWhy(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.IsLoopback():
		return "this machine"
	case addr.IsPrivate():
		return "a private network"
	case addr.IsLinkLocalUnicast():
		return "a link-local address, where clouds keep their metadata"
	case addr.IsMulticast():
		return "a multicast address"
	case addr.IsUnspecified():
		return "no address"
	case addr.Is6() && !public6.Contains(addr):
		return "an address outside of the public internet"
	}
	for _, p := range notPublic {
		if p.Contains(addr) {
			return "an address in a reserved network"
		}
	}
	return ""
}

// checkDial refuses an address that is about to be dialled: names have been looked up by then.
func checkDial(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address", address)
	}
	if why := notPublicWhy(at.Addr()); why != "" {
		return &Refused{at.Addr().String(), why}
	}
	return nil
}

// Refused is the error of a receiver that must not be spoken to.
type Refused struct{ Address, Why string }

func (e *Refused) Error() string {
	return fmt.Sprintf("%s is %s; events go to public addresses only (--webhook-allow-private)", e.Address, e.Why)
}
