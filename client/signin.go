package client

import (
	"context"
	"net/http"

	"github.com/farebox/farebox/api"
)

// SignIn opens a link that `farebox console` printed, of which link is what follows #link=, with a secret of the caller's: 32 random bytes in base64url. The
// client's own token plays no part in it. To open it again with the same secret gives the same.
func (c *Client) SignIn(ctx context.Context, link, secret string) (*api.SignedIn, error) {
	return read[*api.SignedIn](ctx, c, send(http.MethodPost, fareboxRoot+"/sign-in", api.SignIn{Link: &link, Secret: &secret}, nil))
}
