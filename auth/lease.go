package auth

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

// leaseType is the header typ of what SignLease makes, so that nothing else that is signed is taken for a lease (RFC 8725, section 3.11).
const leaseType = "farebox-lease+jwt"

// SignLease makes a JSON Web Token (EdDSA) of claims, which are JSON. The same claims give the same text.
func SignLease(pair *Pair, claims []byte) (string, error) {
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":%q}`, pair.ID, leaseType)
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := jwt.SigningMethodEdDSA.Sign(text, pair.Private)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// VerifyLease returns the jti of a lease that was signed by one of our keys, whether or not it is over. It fails with a problem Forbidden.
func VerifyLease(text string, find func(keyID string) crypto.PublicKey) (id string, err error) {
	var c jwt.RegisteredClaims // what tells which it is; the rest is in the books
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err = parser.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		keyID, _ := t.Header["kid"].(string)
		kind, _ := t.Header["typ"].(string)
		_, critical := t.Header["crit"]
		key := find(keyID)
		if key == nil || critical || !strings.EqualFold(kind, leaseType) {
			return nil, errUnknownKey
		}
		return key, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return "", &problem.Error{Kind: problem.Invalid, Field: "lease", Message: "is not a lease; send the text that came with it, as it came", Cause: err}
	case err != nil:
		return "", &problem.Error{Kind: problem.Forbidden, Field: "lease", Message: "is not signed by a key of this service, so it is not a lease of ours", Cause: err}
	}
	return c.ID, nil
}
