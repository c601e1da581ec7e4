package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// signers is one private key of every kind that is allowed.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	p256, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err3 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			panic(err)
		}
	}
	return map[string]crypto.Signer{"RSA": rsaKey, "P-256": p256, "P-384": p384, "Ed25519": ed}
})

func pair(t testing.TB, kind string) *Pair {
	p, err := newPair(signers()[kind])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func verifierOf(role Role, pairs ...*Pair) *Verifier {
	v := NewVerifier(nil)
	var keys []Key
	for _, p := range pairs {
		keys = append(keys, Key{Role: role, ID: p.ID, PublicPEM: p.PublicPEM})
	}
	v.SetKeys(keys)
	return v
}

// A key's type decides which algorithms it may sign with, and a token never does (design, section 6).
func TestAlgorithmsAreBoundToTheKey(t *testing.T) {
	allowed := map[string][]string{
		"RSA": {"RS256", "RS384", "RS512", "PS256"}, "P-256": {"ES256"}, "P-384": {"ES384"}, "Ed25519": {"EdDSA"},
	}
	for kind := range signers() {
		p := pair(t, kind)
		v := verifierOf(Admin, p)
		for _, alg := range jwt.GetAlgorithms() {
			text, err := claimsOf(Admin, p.ID).sign(alg, p, []byte(p.PublicPEM))
			if err != nil {
				continue // the key cannot sign so
			}
			_, err = v.Authenticate("Bearer "+text, now)
			if want := strings.Contains(fmt.Sprint(allowed[kind]), alg); (err == nil) != want {
				t.Errorf("%s signed by %s: %v", alg, kind, err)
			}
		}
	}
}

type claimSet jwt.MapClaims

func claimsOf(role Role, keyID string) claimSet {
	return claimSet{
		"iss": "producer.example", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"cnf": map[string]any{"jwk": map[string]any{"kid": keyID, "kty": role}},
	}
}

// sign signs with any algorithm; HMAC with a secret that an attacker would know, the public key.
func (c claimSet) sign(alg string, p *Pair, public []byte) (string, error) {
	method := jwt.GetSigningMethod(alg)
	var key any = p.Private
	switch {
	case alg == "none":
		key = jwt.UnsafeAllowNoneSignatureType
	case strings.HasPrefix(alg, "HS"):
		key = public
	}
	return jwt.NewWithClaims(method, jwt.MapClaims(c)).SignedString(key)
}

func TestEveryClaimIsNeeded(t *testing.T) {
	p := pair(t, "Ed25519")
	v := verifierOf(Admin, p)
	for _, claim := range []string{"iss", "iat", "nbf", "exp", "cnf"} {
		c := claimsOf(Admin, p.ID)
		delete(c, claim)
		text, err := c.sign("EdDSA", p, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Authenticate("Bearer "+text, now)
		if problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("without %s: %v", claim, err)
		}
	}
}

func TestWhatIsWrongWithATokenIsTold(t *testing.T) {
	rsa, ed := pair(t, "RSA"), pair(t, "Ed25519")
	v := NewVerifier(nil)
	v.SetKeys([]Key{{Role: Admin, ID: "rsa", PublicPEM: rsa.PublicPEM}, {Role: Admin, ID: "ed", PublicPEM: ed.PublicPEM}})
	for _, row := range []struct {
		alg    string
		by     *Pair
		claims claimSet
		want   string
	}{
		{"PS512", rsa, claimsOf(Admin, "rsa"), "the algorithm PS512; RS256, RS384, RS512, PS256, ES256, ES384 and EdDSA are taken"},
		{"none", ed, claimsOf(Admin, "ed"), "the algorithm none;"},
		{"EdDSA", ed, claimsOf(Admin, "ed").with("cnf", nil), "lacks the claim cnf.jwk.kid"},
		{"EdDSA", ed, claimsOf(Admin, ""), "lacks the claim cnf.jwk.kid"},
		{"EdDSA", ed, claimsOf("", "ed"), "cnf.jwk.kty must be ADMIN or CLIENT"},
		{"EdDSA", ed, claimsOf("admin", "ed"), "cnf.jwk.kty must be ADMIN or CLIENT"},
		{"EdDSA", ed, claimsOf(Admin, "nobody"), "not signed by a registered key"},
		{"EdDSA", ed, claimsOf(Admin, "rsa"), "not signed by a registered key"}, // nor is it told that there is such a key
		{"EdDSA", ed, claimsOf(Client, "ed").with("aud", "i"), "not signed by a registered key"},
	} {
		text, err := row.claims.sign(row.alg, row.by, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Authenticate("Bearer "+text, now); problem.KindOf(err) != problem.Unauthenticated || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s of %v: %v, want %q", row.alg, row.claims, err, row.want)
		}
	}
}

// RFC 7515, section 4.1.11: whoever does not understand a critical extension must refuse the token.
func TestCriticalExtensionsAreRefused(t *testing.T) {
	p := pair(t, "Ed25519")
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims(claimsOf(Admin, p.ID)))
	token.Header["crit"] = []string{"b64"}
	text, err := token.SignedString(p.Private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifierOf(Admin, p).Authenticate("Bearer "+text, now); problem.KindOf(err) != problem.Unauthenticated {
		t.Errorf("%v", err)
	}
}

func TestTimes(t *testing.T) {
	p := pair(t, "Ed25519")
	text, err := Sign(p, Admin, p.ID, nil, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v := verifierOf(Admin, p)
	for _, row := range []struct {
		at   time.Time
		good bool
	}{
		{now.Add(-Skew - time.Second), false},
		{now.Add(-Skew), true},
		{now, true},
		{now.Add(time.Hour + Skew - time.Second), true},
		{now.Add(time.Hour + Skew), false},
	} {
		fresh := verifierOf(Admin, p)
		_, first := fresh.Authenticate("Bearer "+text, row.at)
		_, remembered := v.Authenticate("Bearer "+text, row.at) // seen before from the second row on
		if (first == nil) != row.good || (remembered == nil) != row.good {
			t.Errorf("at %v: %v, and when remembered: %v; want good: %v", row.at, first, remembered, row.good)
		}
	}
}

func TestRememberedTokensGoWithTheirKey(t *testing.T) {
	p, other := pair(t, "P-256"), pair(t, "RSA")
	text, err := Sign(p, Client, "c1", []string{"i1"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(nil)
	for _, row := range []struct {
		keys []Key
		good bool
	}{
		{[]Key{{Role: Client, ID: "c1", PublicPEM: p.PublicPEM}}, true},
		{[]Key{{Role: Client, ID: "c1", PublicPEM: other.PublicPEM}}, false}, // replaced under its id
		{[]Key{{Role: Client, ID: "c1", PublicPEM: p.PublicPEM}}, true},
		{nil, false},
		{[]Key{{Role: Admin, ID: "c1", PublicPEM: p.PublicPEM}}, false}, // a key of another role is another key
	} {
		v.SetKeys(row.keys)
		for range 2 {
			principal, err := v.Authenticate("Bearer "+text, now)
			if (err == nil) != row.good {
				t.Fatalf("with %v: %v", row.keys, err)
			}
			if row.good && (!principal.MayReach("i1") || principal.MayReach("i2")) {
				t.Errorf("reaches %v", principal.Instances)
			}
		}
	}
}

func TestRememberedTokensAreBounded(t *testing.T) {
	p := pair(t, "Ed25519")
	v := verifierOf(Admin, p)
	for i := range remembered + 50 {
		v.remember(digest{byte(i), byte(i >> 8)}, &Principal{Role: Admin, KeyID: p.ID, key: v.find(Admin, p.ID)})
	}
	if n := len(v.verified); n != remembered {
		t.Errorf("%d are remembered, want %d", n, remembered)
	}
}

func TestKeysThatAreTooWeakOrNoKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := pair(t, "RSA").PublicPEM
	for _, row := range []struct{ text, want string }{
		{"", "is not PEM"},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not of an RSA, ECDSA or Ed25519 public key"},
		{string(pair(t, "RSA").PrivatePEM), "private key"},
		{good + good, "one key"},
		{publicPEM(t, small.Public()), "1024 bits"},
		{publicPEM(t, p521.Public()), "P-521"},
	} {
		if _, err := ParsePublic(row.text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%.40q: %v, want %q", row.text, err, row.want)
		}
	}
	if _, err := ParsePublic(good); err != nil {
		t.Error(err)
	}
}

func publicPEM(t *testing.T, key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// The example of RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	der := append([]byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00},
		0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
		0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a)
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := Thumbprint(key); err != nil || id != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%s, %v", id, err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	p, err := NewPair()
	if err != nil {
		f.Fatal(err)
	}
	v := verifierOf(Admin, p)
	good, err := Sign(p, Admin, p.ID, nil, now, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer " + good)
	f.Add("Bearer eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, header string) {
		if _, err := v.Authenticate(header, now); err == nil && !strings.EqualFold(header, "Bearer "+good) {
			t.Errorf("%q was accepted", header)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	p := pair(b, "Ed25519")
	text, err := Sign(p, Admin, p.ID, nil, now, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	v := verifierOf(Admin, p)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if _, err := verify(text, now, v.find); err != nil {
				b.Fatal(err)
			}
		}
	})
	header := "Bearer " + text
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Authenticate(header, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A token that was verified before costs its bearer's requests no memory.
func TestRememberedTokensAllocateNothing(t *testing.T) {
	p := pair(t, "Ed25519")
	text, err := Sign(p, Client, p.ID, []string{"i1"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v, header := verifierOf(Client, p), "Bearer "+text
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Authenticate(header, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One key in 64 has a thumbprint that begins with a dash.
func TestIDsOfNewPairsAreNoFlags(t *testing.T) {
	for range 500 {
		pair, err := NewPair()
		if err != nil {
			t.Fatal(err)
		}
		if pair.ID[0] == '-' {
			t.Fatalf("a key has the id %s", pair.ID)
		}
	}
}
