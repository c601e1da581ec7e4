package server

import (
	"net/http"
	"strings"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func wireInstance(i *store.Instance) api.Instance {
	return api.Instance{
		ID: i.ID, ShortName: i.ShortName, AccountID: i.AccountID, DefaultInstance: i.Default, Created: i.CreatedMS, Modified: i.ModifiedMS,
	}
}

func createInstance(c *call) (*reply, error) {
	var in api.NewInstance
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	return changeTo(c, http.StatusOK, wireInstance, func(tx *engine.Change) (*store.Instance, error) { return tx.CreateInstance(in.ShortName, in.AccountID) })
}

func getInstance(c *call) (*reply, error) {
	i, err := c.instance()
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, wireInstance(i))
}

func (c *call) instance() (i *store.Instance, err error) {
	id := c.PathValue("instanceId")
	err = c.view(func(r store.Reader) error {
		i, err = r.Instance(id)
		return err
	})
	if err == nil && i == nil {
		err = engine.NoInstance(id)
	}
	return i, err
}

// listInstances pages through all instances, or finds the default one of an account.
func listInstances(c *call) (*reply, error) {
	next, err := c.queryInt("next", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	size, err := c.queryInt("size", pageUsual, 1, pageMost)
	if err != nil {
		return nil, err
	}
	q := c.URL.Query()
	account, isDefault := q.Get("accountId"), q.Get("default")
	if account != "" || isDefault != "" {
		if account == "" || !strings.EqualFold(isDefault, "true") {
			return nil, problem.Field("default", "accountId and default=true go together: they find an account's default instance")
		}
		return defaultInstance(c, account)
	}
	return c.show(func(r store.Reader) (any, error) {
		out := api.Instances{Content: []api.Instance{}}
		found, err := r.Instances(next, int(size)+1)
		if len(found) > int(size) {
			found = found[:size]
			out.Next = found[size-1].Number
		}
		for i := range found {
			out.Content = append(out.Content, wireInstance(&found[i]))
		}
		return out, err
	})
}

func defaultInstance(c *call, account string) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		out := api.Instances{Content: []api.Instance{}}
		i, err := r.DefaultInstance(account)
		if err == nil && i != nil {
			out.Content = append(out.Content, wireInstance(i))
		}
		return out, err
	})
}
