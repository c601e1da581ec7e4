package rules

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/auth"
)

// Key pairs are made once for all worlds, by name; it is their registration that belongs to a world.
var (
	pairs     = map[string]*auth.Pair{}
	kinds     = map[string]string{}
	pairsLock sync.Mutex
)

// pairOf returns the key pair of a name, which has one type in all worlds.
func pairOf(name, kind string) *auth.Pair {
	pairsLock.Lock()
	defer pairsLock.Unlock()
	if pairs[name] == nil {
		pairs[name], kinds[name] = newPair(kind), kind
	}
	if kinds[name] != kind {
		panic("the key " + name + " is of type " + kinds[name] + " elsewhere; give this one another name")
	}
	return pairs[name]
}

// registered returns a key pair that has been made.
func registered(name string) *auth.Pair {
	pairsLock.Lock()
	defer pairsLock.Unlock()
	if pairs[name] == nil {
		panic("no key " + name + "; make it with: key " + name + " type=...")
	}
	return pairs[name]
}

// quotedPEM is a public key as it stands in a JSON string.
func quotedPEM(p *auth.Pair) string { return strings.ReplaceAll(p.PublicPEM, "\n", `\n`) }

// namePublicKeys writes public keys as {pem:NAME}.
func namePublicKeys(text string) string {
	pairsLock.Lock()
	defer pairsLock.Unlock()
	for name, pair := range pairs {
		text = strings.ReplaceAll(text, quotedPEM(pair), "{pem:"+name+"}")
	}
	return text
}

func newPair(kind string) *auth.Pair {
	var private crypto.Signer
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "p256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		err = fmt.Errorf("no type of key is called %q", kind)
	}
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	pair, err := auth.ParsePrivate(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		panic(err)
	}
	return pair
}

// saveKey: key NAME [type=ed25519|rsa|p256|p384] [role=admin|client] [pair=NAME]; pair names another key's pair to register.
func (w *world) saveKey(a args) string {
	name := a.alone[0]
	pair := pairOf(a.or("pair", name), a.or("type", "ed25519"))
	body := fmt.Sprintf(`[{"id":%q,"publicKey":%q}]`, name, pair.PublicPEM)
	return outcome(w.do(request{method: http.MethodPut, path: "/floating/api/v1.0/" + keyPaths[a.or("role", "client")], body: body}))
}

var keyPaths = map[string]string{"admin": "administration-keys", "client": "client-keys"}

// deleteKey: delete-key NAME [role=admin|client]
func (w *world) deleteKey(a args) string {
	path := "/floating/api/v1.0/" + keyPaths[a.or("role", "client")] + "/" + url.PathEscape(a.alone[0])
	return outcome(w.do(request{method: http.MethodDelete, path: path, as: a.or("as", "")}))
}

// nameToken: token NAME SPEC; the token is made now and used with as=NAME.
func (w *world) nameToken(a args) string {
	w.bearers[a.alone[0]] = "Bearer " + w.sign(a)
	return "ok"
}

// tokens: tokens METHOD PATH, then a SPEC a line. It prints a line an answer: its status, and the body of a refusal.
func (w *world) tokens(a args, specs []string) string {
	var out []string
	for _, spec := range specs {
		r := w.request(a)
		w.bearers["this"] = "Bearer " + w.sign(parseArgs("token "+spec))
		r.as = "this"
		answer := w.try(r)
		line := strconv.Itoa(answer.status)
		if answer.status >= 300 {
			line += " " + answer.body
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// authorization returns the header of a token: none, admin, client:INSTANCE, one made with token, or any text after raw:.
func (w *world) authorization(name string) string {
	if instance, found := strings.CutPrefix(name, "client:"); found {
		return w.bearer("by=client aud=" + instance)
	}
	if text, found := strings.CutPrefix(name, "raw:"); found {
		return strings.ReplaceAll(w.expand(text), "_", " ")
	}
	switch name {
	case "none":
		return ""
	case "admin":
		return w.bearer("by=admin")
	}
	if w.bearers[name] == "" {
		w.Fatalf("there is no token %q", name)
	}
	return w.bearers[name]
}

// bearer returns the header of a token that is made once a moment.
func (w *world) bearer(spec string) string {
	name := spec + w.now().String()
	if w.bearers[name] == "" {
		w.bearers[name] = "Bearer " + w.sign(parseArgs("token "+spec))
	}
	return w.bearers[name]
}

// sign makes the token of a SPEC: [by=KEY] [alg=ALG] [kty=ADMIN|CLIENT] [kid=TEXT] [aud=INSTANCE,...] [nbf=TIME] [iat=TIME]
// [exp=TIME] [without=CLAIM] [tamper]. Times are written as for the clock, usually from now.
func (w *world) sign(a args) string {
	by := a.or("by", "admin")
	kty := "ADMIN"
	var audience []string
	if aud, found := a.named["aud"]; found {
		kty = "CLIENT"
		for _, name := range strings.Split(aud, ",") {
			audience = append(audience, w.expand("{"+name+"}"))
		}
	}
	jwk := map[string]any{"kid": w.expand(a.or("kid", by)), "kty": a.or("kty", kty)}
	claims := jwt.MapClaims{"iss": "producer.org", "cnf": map[string]any{"jwk": jwk}}
	for name, usual := range map[string]string{"nbf": "+0s", "iat": "+0s", "exp": "+1h"} {
		claims[name] = w.time(a.or(name, usual)) / 1000
	}
	if audience != nil {
		claims["aud"] = audience
	}
	delete(claims, a.or("without", ""))
	delete(jwk, a.or("without", ""))
	text := w.signed(a, by, claims)
	if a.flag("tamper") {
		text = tamper(text)
	}
	return text
}

func (w *world) signed(a args, by string, claims jwt.MapClaims) string {
	pair := registered(by)
	alg, found := a.named["alg"]
	if !found {
		alg = usualAlgorithm(pair.Private)
	}
	var key any = pair.Private
	switch {
	case alg == "none":
		key = jwt.UnsafeAllowNoneSignatureType
	case strings.HasPrefix(alg, "HS"):
		key = []byte(pair.PublicPEM) // what everybody knows
	}
	text, err := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims).SignedString(key)
	if err != nil {
		w.Fatal(err)
	}
	return text
}

func usualAlgorithm(key crypto.Signer) string {
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		return "ES" + strconv.Itoa(k.Curve.Params().BitSize)
	}
	return "EdDSA"
}

// tamper gives a token another claim and keeps its signature.
func tamper(text string) string {
	parts := strings.Split(text, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		panic(err)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(bytes.Replace(claims, []byte("producer.org"), []byte("attacker.org"), 1))
	return strings.Join(parts, ".")
}
