package auth

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

func TestForgedLeases(t *testing.T) {
	ours, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	find := func(id string) crypto.PublicKey {
		if id == ours.ID {
			return ours.Private.Public()
		}
		return nil
	}
	good, err := SignLease(ours, []byte(`{"jti":"lease","tokens":1,"exp":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := VerifyLease(good, find); id != "lease" || err != nil {
		t.Errorf("a good lease, long over, is %q, %v", id, err)
	}
	if again, err := SignLease(ours, []byte(`{"jti":"lease","tokens":1,"exp":1}`)); again != good || err != nil {
		t.Errorf("signed again it is another: %v", err)
	}
	bearer, err := Sign(ours, Admin, ours.ID, nil, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := SignLease(theirs, []byte(`{"jti":"lease"}`))
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	parts := strings.Split(good, ".")
	signed := func(method jwt.SigningMethod, header string, key any) string {
		text := encode([]byte(header)) + "." + parts[1]
		signature, err := method.Sign(text, key)
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + encode(signature)
	}
	public := []byte(ours.Private.Public().(ed25519.PublicKey))
	for name, c := range map[string]struct {
		text string
		kind problem.Kind
	}{
		"more tokens":                {parts[0] + "." + encode([]byte(`{"jti":"lease","tokens":9,"exp":1}`)) + "." + parts[2], problem.Forbidden},
		"another key":                {other, problem.Forbidden},
		"another key by our id":      {signed(jwt.SigningMethodEdDSA, `{"alg":"EdDSA","kid":"`+ours.ID+`","typ":"farebox-lease+jwt"}`, theirs.Private), problem.Forbidden},
		"a token to ask with":        {bearer, problem.Forbidden},
		"a token typed as such":      {signed(jwt.SigningMethodEdDSA, `{"alg":"EdDSA","kid":"`+ours.ID+`","typ":"JWT"}`, ours.Private), problem.Forbidden},
		"the public key as a secret": {signed(jwt.SigningMethodHS256, `{"alg":"HS256","kid":"`+ours.ID+`","typ":"farebox-lease+jwt"}`, public), problem.Forbidden},
		"no signature":               {signed(jwt.SigningMethodNone, `{"alg":"none","kid":"`+ours.ID+`","typ":"farebox-lease+jwt"}`, jwt.UnsafeAllowNoneSignatureType), problem.Forbidden},
		"something critical":         {signed(jwt.SigningMethodEdDSA, `{"alg":"EdDSA","crit":["x"],"x":1,"kid":"`+ours.ID+`","typ":"farebox-lease+jwt"}`, ours.Private), problem.Forbidden},
		"a cut one":                  {good[:len(good)/2], problem.Invalid},
		"nothing":                    {"", problem.Invalid},
		"no token":                   {"a.b.c", problem.Invalid},
	} {
		if id, err := VerifyLease(c.text, find); problem.KindOf(err) != c.kind || id != "" {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
	v := NewVerifier(nil)
	v.SetKeys([]Key{{Role: Admin, ID: ours.ID, PublicPEM: ours.PublicPEM}})
	if _, err := v.Authenticate("Bearer "+good, time.Now()); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("a lease is taken for a token to ask with: %v", err)
	}
}
