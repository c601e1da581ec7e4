package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

const leasesPath = fareboxRoot + "/leases"

// MakeLease keeps tokens back for a named client that spends them by itself. If they do not suffice the error is a *Denied.
func (c *Client) MakeLease(ctx context.Context, instanceID string, n api.NewLease, with ...With) (*api.LeaseAnswer, error) {
	made, err := read[*api.LeaseAnswer](ctx, c, send(http.MethodPost, path(fareboxRoot+"/instances", instanceID, "leases"), n, with))
	if err != nil {
		return nil, orDenied(err)
	}
	return made, nil
}

// Leases are the live leases of an instance, newest first.
func (c *Client) Leases(ctx context.Context, instanceID string) iter.Seq2[api.Lease, error] {
	first := get(leasesPath, query("instanceId", instanceID))
	return pages(ctx, c, first, func(p *api.Leases) ([]api.Lease, *call) { return p.Leases, first.turned("cursor", p.Next) })
}

// LeaseByID returns a lease as it stands, also one that is over.
func (c *Client) LeaseByID(ctx context.Context, leaseID string) (*api.Lease, error) {
	return read[*api.Lease](ctx, c, get(path(leasesPath, leaseID), nil))
}

// EndLease has a lease be over now. Its client does not learn of it; what that has used is booked when it is reported.
func (c *Client) EndLease(ctx context.Context, leaseID string, with ...With) (*api.LeaseAnswer, error) {
	return read[*api.LeaseAnswer](ctx, c, send(http.MethodDelete, path(leasesPath, leaseID), nil, with))
}

// ReportLease says what was used of a lease since it was made, in all; it counts once however often it is sent.
func (c *Client) ReportLease(ctx context.Context, leaseID string, r api.LeaseReport, with ...With) (*api.LeaseAnswer, error) {
	return read[*api.LeaseAnswer](ctx, c, send(http.MethodPost, path(leasesPath, leaseID, "report"), r, with))
}

// LeaseKeys are the public halves of what leases are signed with.
func (c *Client) LeaseKeys(ctx context.Context) (*api.LeaseKeys, error) {
	return read[*api.LeaseKeys](ctx, c, get(fareboxRoot+"/lease-keys", nil))
}

// Errors of spending leased tokens.
var (
	ErrLeaseSpent = errors.New("what is left of the lease does not suffice")
	ErrLeaseOver  = errors.New("the lease is over")
	ErrNotLeased  = errors.New("the lease is not for this item")
	ErrNoLease    = errors.New("this is not the text of a lease")
	ErrNotSigned  = errors.New("the lease is not signed by a key of the service")
)

// Spender spends leased tokens without a network. It is safe for concurrent use. What was spent has to survive the process before it is acted upon: KeepIn sees
// to that with a file; or keep the text of the lease and what Used returns, with which NewSpender goes on. With neither nothing can be reported.
type Spender struct {
	text   string
	claims api.LeaseClaims

	mu   sync.Mutex
	used map[itemName]token.Amount
	last bool   // it was reported for the last time, or was to be
	file string // empty: nothing is written down
}

type itemName struct{ item, version string }

// NewSpender spends a lease that one of the service's keys has signed; used is what was spent of it before. Ask LeaseKeys while there is a network, and keep
// them with the lease: without them a lease cannot be told from what somebody has made up, and nothing is spent.
func NewSpender(lease string, keys *api.LeaseKeys, used []api.LeaseItemUsed) (*Spender, error) {
	s := &Spender{text: lease, used: map[itemName]token.Amount{}}
	claims, err := verifiedLease(lease, keys)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(claims, &s.claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoLease, err)
	}
	for _, u := range used {
		name := itemName{u.Item, u.Version}
		if _, leased := s.priceOf(name); !leased || u.Count == nil {
			return nil, fmt.Errorf("what was used of the lease: %q: %w", u.Item, ErrNotLeased)
		}
		s.used[name] = s.used[name].Add(*u.Count)
	}
	return s, nil
}

func (s *Spender) priceOf(name itemName) (token.Amount, bool) {
	i := slices.IndexFunc(s.claims.Items, func(l api.LeasedItemOfClaim) bool { return itemName{l.Item, l.Version} == name })
	if i < 0 {
		return token.Amount{}, false
	}
	return s.claims.Items[i].Price, true
}

// cost is what has been used, as the service charges it (decisions.md D41).
func (s *Spender) cost(instead itemName, count token.Amount) (sum token.Amount) {
	for i := range s.claims.Items {
		name := itemName{s.claims.Items[i].Item, s.claims.Items[i].Version}
		used := s.used[name]
		if name == instead {
			used = count
		}
		sum = sum.Add(token.MulHalfEven(used, s.claims.Items[i].Price))
	}
	return sum
}

// Spend decides whether so much of an item may be used now, more than 0, and takes it from the lease. The time is the caller's: a clock that is set back has a
// lease live longer here, and what was used then is still booked when it is reported.
func (s *Spender) Spend(now time.Time, item, version string, count token.Amount) error {
	if count.Sign() <= 0 {
		return fmt.Errorf("a count of %s cannot be spent: it must be more than 0", count)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := itemName{item, version}
	if _, leased := s.priceOf(name); !leased {
		return ErrNotLeased
	}
	if s.last || now.UnixMilli() >= s.claims.ExpiresMS {
		return ErrLeaseOver
	}
	after := s.used[name].Add(count)
	if s.claims.Tokens.Less(s.cost(name, after)) {
		return ErrLeaseSpent
	}
	before, some := s.used[name]
	s.used[name] = after
	if err := s.writeDown(); err != nil {
		if s.used[name] = before; !some {
			delete(s.used, name)
		}
		return fmt.Errorf("what was spent could not be written down, so nothing was: %w", err)
	}
	return nil
}

// Left is how many tokens are left to spend.
func (s *Spender) Left() token.Amount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims.Tokens.Sub(s.cost(itemName{}, token.Amount{}))
}

// Used is what was used of each item since the lease was made.
func (s *Spender) Used() []api.LeaseItemUsed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usedSoFar()
}

func (s *Spender) usedSoFar() []api.LeaseItemUsed {
	out := []api.LeaseItemUsed{}
	for _, l := range s.claims.Items {
		if count, some := s.used[itemName{l.Item, l.Version}]; some {
			out = append(out, api.LeaseItemUsed{Item: l.Item, Version: l.Version, Count: &count})
		}
	}
	return out
}

// Report tells the service what was used; final gives the rest back, and from then on nothing can be spent, whether or not it is answered: send it again until it
// is. Since counts are told in all, a report that got lost is made good by the next.
func (s *Spender) Report(ctx context.Context, c *Client, final bool) (*api.LeaseAnswer, error) {
	used, err := s.toReport(final)
	if err != nil {
		return nil, err
	}
	return c.ReportLease(ctx, s.claims.LeaseID, api.LeaseReport{Lease: &s.text, Items: &used, Final: final})
}

func (s *Spender) toReport(final bool) ([]api.LeaseItemUsed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if final && !s.last {
		s.last = true
		if err := s.writeDown(); err != nil {
			s.last = false
			return nil, fmt.Errorf("that nothing more is spent could not be written down, so it was not reported: %w", err)
		}
	}
	return s.usedSoFar(), nil
}
