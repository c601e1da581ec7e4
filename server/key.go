package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/engine"
)

func saveAdminKeys(c *call) (*reply, error)   { return saveKeys(c, auth.Admin) }
func saveClientKeys(c *call) (*reply, error)  { return saveKeys(c, auth.Client) }
func deleteAdminKey(c *call) (*reply, error)  { return deleteKey(c, auth.Admin) }
func deleteClientKey(c *call) (*reply, error) { return deleteKey(c, auth.Client) }

func saveKeys(c *call, role auth.Role) (*reply, error) {
	var in []api.NewKey
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	keys := make([]auth.Key, len(in))
	for i, k := range in {
		keys[i] = auth.Key{Role: role, ID: k.ID, PublicPEM: k.PublicKey}
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.SaveKeys(keys); err != nil {
			return nil, err
		}
		return message(http.StatusOK, "Keys successfully saved")
	})
}

func deleteKey(c *call, role auth.Role) (*reply, error) {
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := tx.DeleteKey(role, c.PathValue("keyId")); err != nil {
			return nil, err
		}
		return message(http.StatusOK, "Key successfully deleted")
	})
}

var wireKeyType = map[auth.Role]string{auth.Admin: "administration-key", auth.Client: "client-key"}

// listKeys pages by place in the list; there are few keys.
func listKeys(c *call) (*reply, error) {
	next, err := c.queryInt("next", 0, 0, 1<<31)
	if err != nil {
		return nil, err
	}
	size, err := c.queryInt("size", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	all := c.server.engine.Settings().Keys
	from := min(int(next), len(all))
	to := min(from+int(size), len(all))
	out := api.Keys{Keys: []api.Key{}}
	if to < len(all) {
		out.Next = int64(to)
	}
	for _, k := range all[from:to] {
		out.Keys = append(out.Keys, api.Key{ID: k.ID, Type: wireKeyType[k.Role], PublicKey: k.PublicPEM, Created: k.CreatedMS, Modified: k.ModifiedMS})
	}
	return jsonReply(http.StatusOK, out)
}
