package auth

import (
	"crypto"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/farebox/farebox/problem"
)

// Verifier checks tokens by the registered keys and remembers those it has verified, so that a signature is checked once
// and not on every request. It is safe for concurrent use.
type Verifier struct {
	holds func(link string, holder []byte) error

	mu       sync.RWMutex
	keys     map[name]registered
	verified map[digest]*Principal
}

type name struct {
	role Role
	id   string
}

type registered struct {
	pem    string
	public crypto.PublicKey
}

// remembered is how many verified tokens are kept at most.
const remembered = 10_000

// NewVerifier returns a verifier without keys. Whether a link was opened by a holder, holds knows, which fails if not.
func NewVerifier(holds func(link string, holder []byte) error) *Verifier {
	return &Verifier{holds: holds, keys: map[name]registered{}, verified: map[digest]*Principal{}}
}

// SetKeys replaces the keys. Tokens of keys that are gone or changed are forgotten before it returns. A key that cannot be
// read, which only a damaged store can hold, proves nothing.
func (v *Verifier) SetKeys(keys []Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	next := make(map[name]registered, len(keys))
	for _, k := range keys {
		n := name{k.Role, k.ID}
		if old, same := v.keys[n]; same && old.pem == k.PublicPEM {
			next[n] = old
		} else if public, err := ParsePublic(k.PublicPEM); err == nil {
			next[n] = registered{k.PublicPEM, public}
		}
	}
	maps.DeleteFunc(v.verified, func(_ digest, p *Principal) bool {
		return next[name{p.Role, p.KeyID}].pem != p.key.pem
	})
	v.keys = next
}

// Authenticate returns who the value of an Authorization header speaks for, or an Unauthenticated problem. Of a link that was opened it has the secret of
// the opener, too.
func (v *Verifier) Authenticate(header string, now time.Time) (*Principal, error) {
	scheme, text, _ := strings.Cut(header, " ")
	if header == "" || !strings.EqualFold(scheme, "Bearer") || text == "" {
		return nil, problem.New(problem.Unauthenticated, "send a token: Authorization: Bearer <JSON Web Token>")
	}
	sum := digestOf(text)
	v.mu.RLock()
	p := v.verified[sum]
	v.mu.RUnlock()
	if p != nil && p.validAt(now) {
		return p, nil
	}
	p, err := v.verify(text, now)
	if err != nil {
		return nil, err
	}
	v.remember(sum, p)
	return p, nil
}

func (v *Verifier) verify(text string, now time.Time) (*Principal, error) {
	text, secret, opened := strings.Cut(text, opener)
	if !opened {
		return verify(text, now, v.find)
	}
	l, err := v.Link(text, now)
	if err != nil {
		return nil, err
	}
	if err := v.holds(l.ID, Holder(secret)); err != nil {
		return nil, err
	}
	return l.Principal, nil
}

// Link returns the link that a text is, opened or not, or an Unauthenticated problem.
func (v *Verifier) Link(text string, now time.Time) (*Link, error) {
	c, p, err := verifyClaims(text, now, v.find, true)
	if err != nil {
		return nil, err
	}
	return c.link(p)
}

func (p *Principal) validAt(now time.Time) bool {
	return now.Before(p.expires.Add(Skew)) && !now.Before(p.notBefore.Add(-Skew))
}

func (v *Verifier) find(role Role, id string) registered {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.keys[name{role, id}]
}

// remember keeps a verified token, unless its key went or changed while it was verified. Past the bound any other token goes, which
// costs its bearer one more check.
func (v *Verifier) remember(sum digest, p *Principal) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys[name{p.Role, p.KeyID}].pem != p.key.pem {
		return
	}
	for other := range v.verified {
		if len(v.verified) < remembered {
			break
		}
		delete(v.verified, other)
	}
	v.verified[sum] = p
}
