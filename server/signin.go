package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/problem"
)

// signInMost bounds what strangers may send, in bytes.
const signInMost = 16 << 10

// signIn opens a link. What makes it count once is the secret, not an idempotency key.
func signIn(c *call) (*reply, error) {
	var in api.SignIn
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Link == nil:
		return nil, problem.Field("link", "is required: what follows #link= in the address that `farebox console` printed")
	case in.Secret == nil:
		return nil, problem.Field("secret", "is required: 32 random bytes of your own in base64url")
	}
	link, err := c.server.engine.OpenLink(c.Context(), *in.Link, *in.Secret)
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, api.SignedIn{Token: auth.LinkToken(*in.Link, *in.Secret), Expires: link.Expires.UnixMilli()})
}
