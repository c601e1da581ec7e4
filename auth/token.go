package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

// Skew is how far the clocks of those who sign tokens may be off (decisions.md D30).
const Skew = 60 * time.Second

// Principal is who a verified token speaks for.
type Principal struct {
	Role      Role
	KeyID     string
	Instances []string // of a client: those it may act on

	notBefore, expires time.Time
	key                registered // that verified the token
}

// MayReach reports whether the principal may act on an instance. A client learns nothing of the others, not even
// whether they exist.
func (p *Principal) MayReach(instanceID string) bool {
	return p.Role == Admin || slices.Contains(p.Instances, instanceID)
}

// claims are those of the reference's tokens.
type claims struct {
	jwt.RegisteredClaims
	Opens        *jwt.NumericDate `json:"opens,omitempty"` // of a link
	Confirmation struct {
		JWK struct {
			KeyID string `json:"kid"`
			Role  Role   `json:"kty"`
		} `json:"jwk"`
	} `json:"cnf"`
}

// algorithms lists the only ones that a key's type may sign with: a token never chooses another (design, section 6).
func algorithms(key crypto.PublicKey) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256"}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() {
			return []string{"ES384"}
		}
		return []string{"ES256"}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// taken are the algorithms of all types of keys.
var taken = []string{"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"}

// verify checks a token by the registered keys at a time.
func verify(text string, now time.Time, find func(Role, string) registered) (*Principal, error) {
	_, p, err := verifyClaims(text, now, find, false)
	return p, err
}

// verifyClaims checks a token or a link, neither of which is taken for the other.
func verifyClaims(text string, now time.Time, find func(Role, string) registered, link bool) (*claims, *Principal, error) {
	var c claims
	var used registered
	parser := jwt.NewParser(
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(Skew), jwt.WithIssuedAt(), jwt.WithExpirationRequired(),
		jwt.WithValidMethods(taken),
	)
	parsed, err := parser.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, errors.New("an extension that must be understood is not") // RFC 7515, section 4.1.11
		}
		if kind, _ := t.Header["typ"].(string); strings.EqualFold(kind, linkType) != link {
			return nil, errOtherKind
		}
		switch {
		case c.Confirmation.JWK.KeyID == "":
			return nil, errNoKeyID
		case c.Confirmation.JWK.Role != Admin && c.Confirmation.JWK.Role != Client:
			return nil, errNoRole
		}
		used = find(c.Confirmation.JWK.Role, c.Confirmation.JWK.KeyID)
		key := used.public
		if key == nil {
			return nil, errUnknownKey
		}
		if !slices.Contains(algorithms(key), t.Method.Alg()) {
			return nil, fmt.Errorf("the algorithm %s is not the key's", t.Method.Alg())
		}
		return key, nil
	})
	if err != nil {
		return nil, nil, problem.Wrap(problem.Unauthenticated, err, "the %s %s", kindOf(link), reason(parsed, err, link))
	}
	if missing := c.missing(); missing != "" {
		return nil, nil, problem.New(problem.Unauthenticated, "the %s lacks the claim %s", kindOf(link), missing)
	}
	return &c, &Principal{
		Role: c.Confirmation.JWK.Role, KeyID: c.Confirmation.JWK.KeyID, Instances: c.Audience,
		notBefore: c.NotBefore.Time, expires: c.ExpiresAt.Time, key: used,
	}, nil
}

var (
	errUnknownKey = errors.New("no such key")
	errOtherKind  = errors.New("it is of another kind")
	errNoKeyID    = errors.New("it names no key")
	errNoRole     = errors.New("it has no role that there is")
)

func kindOf(link bool) string {
	if link {
		return "link"
	}
	return "token"
}

// reason says to the caller what is wrong with a token or a link, and nothing about the keys there are.
func reason(parsed *jwt.Token, err error, link bool) string {
	switch {
	case parsed != nil && parsed.Method != nil && !slices.Contains(taken, parsed.Method.Alg()):
		last := len(taken) - 1
		return fmt.Sprintf("has the algorithm %s; %s and %s are taken", parsed.Method.Alg(), strings.Join(taken[:last], ", "), taken[last])
	case errors.Is(err, errNoKeyID):
		return "lacks the claim cnf.jwk.kid, the id of the key that signed it"
	case errors.Is(err, errNoRole):
		return fmt.Sprintf("has no role: its claim cnf.jwk.kty must be %s or %s", Admin, Client)
	case errors.Is(err, errOtherKind) && link:
		return "is a token; send it as one, in the Authorization header"
	case errors.Is(err, errOtherKind):
		return "is that of a link which signs in; open the link in a browser"
	case errors.Is(err, jwt.ErrTokenExpired):
		return "has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "is not valid yet"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "lacks the claim exp"
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "is not a JSON Web Token"
	}
	return "is not signed by a registered key"
}

func (c *claims) missing() string {
	switch {
	case c.Issuer == "":
		return "iss"
	case c.NotBefore == nil:
		return "nbf"
	case c.IssuedAt == nil:
		return "iat"
	case c.Confirmation.JWK.Role == Client && len(c.Audience) == 0:
		return "aud, the instances it may act on"
	}
	return ""
}

// Sign makes a token that is valid from now for ttl; instances are the aud of a client's token.
func Sign(pair *Pair, role Role, keyID string, instances []string, now time.Time, ttl time.Duration) (string, error) {
	return newClaims(role, keyID, instances, now, ttl).sign(pair, "JWT")
}

func newClaims(role Role, keyID string, instances []string, now time.Time, ttl time.Duration) *claims {
	c := &claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer: "farebox", NotBefore: jwt.NewNumericDate(now), IssuedAt: jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(ttl)), Audience: instances,
	}}
	c.Confirmation.JWK.KeyID, c.Confirmation.JWK.Role = keyID, role
	return c
}

func (c *claims) sign(pair *Pair, kind string) (string, error) {
	t := jwt.NewWithClaims(jwt.GetSigningMethod(algorithms(pair.Private.Public())[0]), c)
	t.Header["typ"] = kind
	return t.SignedString(pair.Private)
}
