package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

// linkType is the header typ of what SignLink makes, so that it is no token by itself (RFC 8725, section 3.11).
const linkType = "farebox-sign-in+jwt"

// LinkMost is how long a link keeps somebody signed in at most. It is less than answers are kept for, so that who has opened a link is known for as long
// as that matters.
const LinkMost = 24 * time.Hour

// Link is what signs somebody in once: a token that is good only together with the secret of whoever opened it first.
type Link struct {
	*Principal
	ID      string    // no two have the same
	Opens   time.Time // by then it has to be opened
	Expires time.Time // then whoever has opened it is signed out
}

// SignLink makes a link that can be opened until opens from now, and keeps whoever does so signed in for ttl from now, of LinkMost at most. The rest is as in Sign.
func SignLink(pair *Pair, role Role, keyID string, instances []string, now time.Time, opens, ttl time.Duration) (string, error) {
	c := newClaims(role, keyID, instances, now, ttl)
	c.ID, c.Opens = rand.Text(), jwt.NewNumericDate(now.Add(opens))
	return c.sign(pair, linkType)
}

// link reads the claims that a link has beside those of a token.
func (c *claims) link(p *Principal) (*Link, error) {
	switch {
	case c.ID == "":
		return nil, problem.New(problem.Unauthenticated, "the link lacks the claim jti")
	case c.Opens == nil:
		return nil, problem.New(problem.Unauthenticated, "the link lacks the claim opens")
	case c.ExpiresAt.Sub(c.IssuedAt.Time) > LinkMost:
		return nil, problem.New(problem.Unauthenticated, "the link would keep one signed in for more than %s", LinkMost)
	}
	return &Link{p, c.ID, c.Opens.Time, p.expires}, nil
}

// Holder is what is remembered of a link's opener, by which the secret can be recognised and not found.
func Holder(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Bounds of secrets, in bytes: as much chance as 256 bits have in base64url, and no more than fits in a header beside the link.
const (
	secretLeast = 43
	secretMost  = 128
)

// ValidateSecret refuses what could be guessed, or could not be sent in a header.
func ValidateSecret(secret string) error {
	if len(secret) < secretLeast || len(secret) > secretMost {
		return problem.Field("secret", "must have %d to %d characters: 32 random bytes in base64url", secretLeast, secretMost)
	}
	for _, r := range secret {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return problem.Field("secret", "must be in base64url: letters, digits, - and _ alone")
		}
	}
	return nil
}

// opener separates a link from the secret of whoever opened it, in the Authorization header.
const opener = "~"

// LinkToken is what whoever has opened a link sends as a token.
func LinkToken(link, secret string) string { return link + opener + secret }
