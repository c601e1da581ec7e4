package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/problem"
)

// raw puts a token together by hand, since no library makes what attackers make.
func raw(header, payload any, sign func(signed string) []byte) string {
	part := func(v any) string {
		text, is := v.(string)
		if !is {
			made, err := json.Marshal(v, json.Deterministic(true))
			if err != nil {
				panic(err)
			}
			text = string(made)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	signed := part(header) + "." + part(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

func unsigned(string) []byte { return nil }

// by signs as the key's first algorithm does.
func by(p *Pair) func(string) []byte {
	return func(signed string) []byte {
		text, err := jwt.GetSigningMethod(algorithms(p.Private.Public())[0]).Sign(signed, p.Private)
		if err != nil {
			panic(err)
		}
		return text
	}
}

func hmacBy(secret []byte) func(string) []byte {
	return func(signed string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(signed))
		return h.Sum(nil)
	}
}

type object = map[string]any

func (c claimSet) with(name string, value any) claimSet {
	c = maps.Clone(c)
	c[name] = value
	return c
}

func cnf(keyID, role any) object { return object{"jwk": object{"kid": keyID, "kty": role}} }

// Every way that is known to make a server take a token which nobody signed, or which is not meant for now. Beside each of them a good token of
// the same making is taken, so that the refusal is for what is named.
func TestForgedTokens(t *testing.T) {
	rsa, ed, elsewhere := pair(t, "RSA"), pair(t, "Ed25519"), pair(t, "P-256")
	v := NewVerifier(nil)
	v.SetKeys([]Key{
		{Role: Admin, ID: rsa.ID, PublicPEM: rsa.PublicPEM}, {Role: Admin, ID: ed.ID, PublicPEM: ed.PublicPEM},
		{Role: Client, ID: "client", PublicPEM: ed.PublicPEM},
	})
	good, ofRSA, ofClient := claimsOf(Admin, ed.ID), claimsOf(Admin, rsa.ID), claimsOf(Client, "client").with("aud", []string{"i"})
	jwkOf := func(p *Pair) object { return object{"kty": "OKP", "crv": "Ed25519", "kid": ed.ID, "x": p.PublicPEM} }
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	eddsa := object{"alg": "EdDSA", "typ": "JWT"}
	for _, text := range []string{raw(eddsa, good, by(ed)), raw(object{"alg": "RS256"}, ofRSA, by(rsa)), raw(eddsa, ofClient, by(ed))} {
		if _, err := v.Authenticate("Bearer "+text, now); err != nil {
			t.Errorf("a good token is refused: %v", err)
		}
	}
	for name, text := range map[string]string{
		"no algorithm":                         raw(object{"typ": "JWT"}, good, by(ed)),
		"none":                                 raw(object{"alg": "none"}, good, unsigned),
		"none in capitals":                     raw(object{"alg": "NONE"}, good, unsigned),
		"none in both":                         raw(object{"alg": "nOnE"}, good, unsigned),
		"none, with a signature":               raw(object{"alg": "none"}, good, by(ed)),
		"nothing":                              raw(object{"alg": ""}, good, unsigned),
		"an algorithm that is a number":        raw(object{"alg": 0}, good, by(ed)),
		"several algorithms":                   raw(object{"alg": []string{"EdDSA"}}, good, by(ed)),
		"an empty signature":                   raw(eddsa, good, unsigned),
		"the PEM of the RSA key as a secret":   raw(object{"alg": "HS256"}, ofRSA, hmacBy([]byte(rsa.PublicPEM))),
		"the same without its last newline":    raw(object{"alg": "HS256"}, ofRSA, hmacBy([]byte(strings.TrimSpace(rsa.PublicPEM)))),
		"the DER of the RSA key as a secret":   raw(object{"alg": "HS256"}, ofRSA, hmacBy(der(rsa))),
		"the Ed25519 key as a secret":          raw(object{"alg": "HS256"}, good, hmacBy(der(ed)[len(der(ed))-32:])),
		"an empty secret":                      raw(object{"alg": "HS256"}, good, hmacBy(nil)),
		"the algorithm of another key":         raw(object{"alg": "RS256"}, good, by(rsa)),
		"another key of the same role":         raw(eddsa, ofRSA, by(ed)),
		"another key than is named":            raw(object{"alg": "ES256"}, good, by(elsewhere)),
		"a client's key as an administrator's": raw(eddsa, claimsOf(Admin, "client"), by(ed)),
		"an administrator's as a client's":     raw(object{"alg": "RS256"}, claimsOf(Client, rsa.ID).with("aud", "i"), by(rsa)),
		"a role that there is not":             raw(eddsa, claimsOf("ROOT", ed.ID), by(ed)),
		"a role in small letters":              raw(eddsa, claimsOf("admin", ed.ID), by(ed)),
		"no role":                              raw(eddsa, claimsOf("", ed.ID), by(ed)),
		"several roles":                        raw(eddsa, good.with("cnf", cnf(ed.ID, []string{"ADMIN"})), by(ed)),
		"its own key in the header":            raw(object{"alg": "ES256", "jwk": jwkOf(elsewhere)}, good, by(elsewhere)),
		"its own key at an address":            raw(object{"alg": "ES256", "jku": "http://127.0.0.1:1/jwks.json"}, good, by(elsewhere)),
		"its own certificate at an address":    raw(object{"alg": "ES256", "x5u": "http://127.0.0.1:1/cert.pem"}, good, by(elsewhere)),
		"its own certificate":                  raw(object{"alg": "ES256", "x5c": []string{"AAAA"}}, good, by(elsewhere)),
		"its own key in the claims":            raw(object{"alg": "ES256"}, good.with("cnf", object{"jwk": object{"kid": ed.ID, "kty": "ADMIN", "x": elsewhere.PublicPEM}}), by(elsewhere)),
		"the good key in the header only":      raw(object{"alg": "EdDSA", "kid": ed.ID}, claimsOf(Admin, "nobody"), by(ed)),
		"an id that is a path":                 raw(eddsa, claimsOf(Admin, "../../../dev/null"), by(ed)),
		"an id that is a path, empty secret":   raw(object{"alg": "HS256", "kid": "../../../dev/null"}, claimsOf(Admin, "../../../dev/null"), hmacBy(nil)),
		"an id that is SQL":                    raw(eddsa, claimsOf(Admin, "x' OR '1'='1"), by(ed)),
		"an id that is more SQL":               raw(object{"alg": "HS256"}, claimsOf(Admin, "x' UNION SELECT 'secret' --"), hmacBy([]byte("secret"))),
		"an id with a NUL":                     raw(eddsa, claimsOf(Admin, ed.ID+"\x00"), by(ed)),
		"an id that is empty":                  raw(eddsa, claimsOf(Admin, ""), by(ed)),
		"an id that is a number":               raw(eddsa, good.with("cnf", cnf(1, "ADMIN")), by(ed)),
		"an id that is an object":              raw(eddsa, good.with("cnf", cnf(object{"$ne": ""}, "ADMIN")), by(ed)),
		"expired":                              raw(eddsa, good.with("exp", at(-Skew)), by(ed)),
		"expired before all time":              raw(eddsa, good.with("exp", -1), by(ed)),
		"not valid yet":                        raw(eddsa, good.with("nbf", at(Skew+time.Second)), by(ed)),
		"issued in the future":                 raw(eddsa, good.with("iat", at(Skew+time.Second)), by(ed)),
		"never expiring":                       raw(eddsa, good.with("exp", nil), by(ed)),
		"an end that is no number":             raw(eddsa, good.with("exp", "tomorrow"), by(ed)),
		"a client of nothing":                  raw(eddsa, ofClient.with("aud", []string{}), by(ed)),
		"a client without aud":                 raw(eddsa, claimsOf(Client, "client"), by(ed)),
		"a client of a number":                 raw(eddsa, ofClient.with("aud", 1), by(ed)),
		"a client of null":                     raw(eddsa, ofClient.with("aud", nil), by(ed)),
		"an issuer that is empty":              raw(eddsa, good.with("iss", ""), by(ed)),
		"claims that are no object":            raw(eddsa, `"x"`, by(ed)),
		"claims that are null":                 raw(eddsa, `null`, by(ed)),
		"a header that is null":                raw(`null`, good, by(ed)),
		"four parts":                           raw(eddsa, good, by(ed)) + ".AAAA",
		"a signature with a bit changed":       flipped(raw(eddsa, good, by(ed))),
		"padding":                              raw(eddsa, good, by(ed)) + "==",
		"an encrypted one":                     "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA",
		"one in JSON":                          `{"payload":"e30","signatures":[]}`,
	} {
		p, err := v.Authenticate("Bearer "+text, now)
		if p != nil || problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the answer repeats the token", name)
		}
	}
}

func der(p *Pair) []byte {
	body := strings.Split(strings.TrimSpace(p.PublicPEM), "\n")
	out, err := base64.StdEncoding.DecodeString(strings.Join(body[1:len(body)-1], ""))
	if err != nil {
		panic(err)
	}
	return out
}

// flipped changes a bit in the middle of a signature.
func flipped(token string) string {
	text := []byte(token)
	at := (bytes.LastIndexByte(text, '.') + len(text)) / 2
	if text[at] == 'A' {
		text[at] = 'B'
	} else {
		text[at] = 'A'
	}
	return string(text)
}

// A client reaches what its token names, to the letter.
func TestReachIsToTheLetter(t *testing.T) {
	p := pair(t, "Ed25519")
	v := verifierOf(Client, p)
	for _, row := range []struct {
		aud      any
		instance string
		reaches  bool
	}{
		{"i1", "i1", true},
		{[]string{"i1", "i2"}, "i2", true},
		{"i1", "i2", false},
		{"i1", "I1", false},
		{"i1", "i1 ", false},
		{"i1", "i1/", false},
		{"i1", "i", false},
		{"i1", "", false},
		{"i1,i2", "i2", false},
		{"*", "i1", false},
		{[]string{""}, "i1", false},
	} {
		text := raw(object{"alg": "EdDSA"}, claimsOf(Client, p.ID).with("aud", row.aud), by(p))
		principal, err := v.Authenticate("Bearer "+text, now)
		if err != nil {
			t.Fatal(err)
		}
		if principal.MayReach(row.instance) != row.reaches {
			t.Errorf("a token for %q reaches %q: %v", row.aud, row.instance, !row.reaches)
		}
	}
}

// FuzzTokens signs whatever there is with keys that are registered and with one that is not. What is accepted was signed by the key that the
// claims name, and has the claims that it must have, at the time.
func FuzzTokens(f *testing.F) {
	keys := []*Pair{pair(f, "Ed25519"), pair(f, "P-256"), pair(f, "P-384"), pair(f, "RSA")}
	ids, roles := []string{"admin", "client", "other", "stranger"}, []Role{Admin, Client, Client, Client}
	v := NewVerifier(nil)
	var registered []Key
	for i := range 3 {
		registered = append(registered, Key{Role: roles[i], ID: ids[i], PublicPEM: keys[i].PublicPEM})
	}
	v.SetKeys(registered)
	for i := range keys {
		claims, err := json.Marshal(claimsOf(roles[i], ids[i]).with("aud", []string{"i1"}))
		if err != nil {
			f.Fatal(err)
		}
		header := `{"alg":"` + algorithms(keys[i].Private.Public())[0] + `","typ":"JWT"}`
		for signer := range 5 {
			f.Add([]byte(header), claims, byte(signer))
		}
		f.Add([]byte(`{"alg":"none"}`), claims, byte(4))
		f.Add([]byte(`{"alg":"HS256"}`), claims, byte(5))
	}
	f.Fuzz(func(t *testing.T, header, claims []byte, signer byte) {
		i := int(signer) % 6
		sign := unsigned
		switch {
		case i < len(keys):
			sign = by(keys[i])
		case i == 5:
			sign = hmacBy([]byte(keys[3].PublicPEM))
		}
		p, err := v.Authenticate("Bearer "+raw(string(header), string(claims), sign), now)
		if err != nil {
			if problem.KindOf(err) != problem.Unauthenticated {
				t.Fatalf("%#v", err)
			}
			return
		}
		if i > 2 || p.Role != roles[i] || p.KeyID != ids[i] {
			t.Fatalf("signer %d is taken for %+v: %s %s", i, p, header, claims)
		}
		if p.Role == Client && len(p.Instances) == 0 || !p.validAt(now) || p.expires.IsZero() {
			t.Fatalf("accepted is %+v: %s", p, claims)
		}
	})
}
