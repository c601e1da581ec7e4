package rules

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/farebox/farebox/api"
)

// The commands in this file are about leases, which have names here.

type leased struct{ id, text, instance string }

// lease: lease NAME TOKENS [in=INSTANCE] [ttl=SECONDS] [client=] [requester=] [type=] [dictionary=JSON] [key=] [as=TOKEN] ITEM[@VERSION] ...
func (w *world) lease(a args) string {
	var items []string
	for _, text := range a.alone[2:] {
		name, version, _ := strings.Cut(text, "@")
		items = append(items, fmt.Sprintf(`{"item":%q,"version":%q}`, name, version))
	}
	instance := a.or("in", "acme")
	r := request{
		method: http.MethodPost, path: "/farebox/v1/instances/" + w.instance(instance) + "/leases", as: a.or("as", "client:"+instance), header: http.Header{},
		body: fmt.Sprintf(`{"client":%q,"requester":%s,"tokens":%s,"items":[%s],"ttl":%s}`,
			a.or("client", "laptop"), w.requester(a), a.alone[1], strings.Join(items, ","), a.or("ttl", "60")),
	}
	if key, found := a.named["key"]; found {
		r.header.Set("Idempotency-Key", key)
	}
	answer := w.do(r)
	if answer.status == http.StatusForbidden && strings.Contains(answer.body, "requestedItems") {
		var out api.AccessAnswer
		if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
			w.Fatal(err)
		}
		lines := []string{"refused"}
		for _, item := range out.RequestedItems {
			lines = append(lines, fmt.Sprintf("%s %s: %s", item.Status.Code, item.Item, item.Status.Description))
		}
		return strings.Join(lines, "\n")
	}
	if answer.status != http.StatusCreated {
		return w.refusal(answer)
	}
	var out api.LeaseAnswer
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	if w.leases == nil {
		w.leases = map[string]leased{}
	}
	w.leases[a.alone[0]] = leased{out.LeaseID, out.Lease, instance}
	return replayed(answer) + w.describeClaims(&out)
}

// describeClaims prints what a lease says, once its signature has been checked by the published keys as a client would.
func (w *world) describeClaims(out *api.LeaseAnswer) string {
	var keys api.LeaseKeys
	if err := json.Unmarshal([]byte(w.do(request{method: http.MethodGet, path: "/farebox/v1/lease-keys"}).body), &keys); err != nil {
		w.Fatal(err)
	}
	_, err := jwt.NewParser(jwt.WithoutClaimsValidation(), jwt.WithValidMethods([]string{"EdDSA"})).Parse(out.Lease, func(t *jwt.Token) (any, error) {
		at := slices.IndexFunc(keys.Keys, func(k api.LeaseKey) bool { return k.ID == t.Header["kid"] })
		if at < 0 || t.Header["typ"] != "farebox-lease+jwt" {
			return nil, fmt.Errorf("the header is %v", t.Header)
		}
		public, err := base64.RawURLEncoding.DecodeString(keys.Keys[at].X)
		return ed25519.PublicKey(public), err
	})
	if err != nil {
		w.Fatal(err)
	}
	var c api.LeaseClaims
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(out.Lease, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		w.Fatal(err)
	}
	if c.LeaseID != out.LeaseID || c.ExpiresMS != out.Expires || c.Expires != out.Expires/1000 || !c.Tokens.Equal(out.Tokens) {
		w.Errorf("the answer is %+v, and the lease says %+v", out, c)
	}
	text := fmt.Sprintf("%s tokens for %s of %s %s until %s:", c.Tokens, c.Client, c.Requester.Type, c.Requester.Value, w.shortTime(c.ExpiresMS))
	for _, item := range c.Items {
		text += fmt.Sprintf(" %s %s", item.Item, item.Price)
	}
	return text
}

// report: report NAME [final] [with=NAME or forged or none] [at=TIME] [key=] [as=TOKEN] [ITEM COUNT ...]
func (w *world) report(a args) string {
	if at, found := a.named["at"]; found {
		w.setNow(w.time(at))
	}
	final := a.flag("final")
	l := w.leases[a.alone[0]]
	text := l.text
	switch with := a.or("with", ""); with {
	case "":
	case "none":
		text = "none"
	case "forged": // for more than was leased, and signed by somebody else
		text = w.forge(text)
	default:
		text = w.leases[with].text
	}
	var items []string
	for i := 1; i+1 < len(a.alone); i += 2 {
		items = append(items, fmt.Sprintf(`{"item":%q,"count":%s}`, a.alone[i], a.alone[i+1]))
	}
	body := fmt.Sprintf(`{"lease":%q,"items":[%s],"final":%t}`, text, strings.Join(items, ","), final)
	return w.ofLease(a, request{method: http.MethodPost, path: "/farebox/v1/leases/" + l.id + "/report", body: body}, l)
}

// end: end NAME [key=] [as=TOKEN]
func (w *world) endLease(a args) string {
	l := w.leases[a.alone[0]]
	return w.ofLease(a, request{method: http.MethodDelete, path: "/farebox/v1/leases/" + l.id}, l)
}

func (w *world) forge(text string) string {
	parts := strings.Split(text, ".")
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.Fatal(err)
	}
	signature, err := jwt.SigningMethodEdDSA.Sign(parts[0]+"."+parts[1], private)
	if err != nil {
		w.Fatal(err)
	}
	return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// ofLease asks something of a lease and prints what that charged, and how the lease stands.
func (w *world) ofLease(a args, r request, l leased) string {
	r.as, r.header = a.or("as", "client:"+l.instance), http.Header{}
	if key, found := a.named["key"]; found {
		r.header.Set("Idempotency-Key", key)
	}
	answer := w.try(r)
	if answer.status != http.StatusOK {
		return w.refusal(answer)
	}
	var out api.LeaseAnswer
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	var lines []string
	for _, item := range out.Charged {
		var shares []string
		for _, s := range item.LineItems {
			shares = append(shares, fmt.Sprint(s.ActivationID, " ", s.TokensCharged))
		}
		lines = append(lines, fmt.Sprintf("%s x%s: %s tokens = %s", item.Item, item.Count, item.TotalTokensCharged, strings.Join(shares, ", ")))
	}
	text := fmt.Sprintf("%s, %s of %s used", out.State, out.TokensUsed, out.Tokens)
	if out.CorrelationID == "" {
		text += ", nothing new"
	} else {
		w.charged = out.CorrelationID
	}
	if out.Late {
		text += ", late"
	}
	if !out.Overdrawn.IsZero() {
		text += fmt.Sprintf(", %s overdrawn", out.Overdrawn)
	}
	return replayed(answer) + strings.Join(append(lines, text), "\n")
}

// showLease: show-lease NAME [as=TOKEN]
func (w *world) showLease(a args) string {
	l := w.leases[a.alone[0]]
	answer := w.do(request{method: http.MethodGet, path: "/farebox/v1/leases/" + l.id, as: a.or("as", "client:"+l.instance)})
	if answer.status != http.StatusOK {
		return w.refusal(answer)
	}
	var out api.Lease
	if err := json.Unmarshal([]byte(answer.body), &out); err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("%s for %s until %s, %s of %s used, %s held", out.State, out.Client, w.shortTime(out.Expires), out.TokensUsed, out.Tokens, out.TokensHeld)
}
