package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/store"
)

func listAlerts(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		rules, err := engine.Alerts(r)
		return api.Alerts{Alerts: append([]*notify.Rule{}, rules...)}, err
	})
}

func getAlert(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) { return engine.AlertOf(r, c.PathValue("name")) })
}

func createAlert(c *call) (*reply, error) {
	return c.putAlert(http.StatusCreated, (*engine.Change).CreateAlert)
}

func replaceAlert(c *call) (*reply, error) {
	return c.putAlert(http.StatusOK, (*engine.Change).ReplaceAlert)
}

func (c *call) putAlert(status int, put func(*engine.Change, *notify.Rule) error) (*reply, error) {
	var in notify.Rule
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.nameByPath(&in.Name); err != nil {
		return nil, err
	}
	if err := in.Complete(); err != nil {
		return nil, err
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := put(tx, &in); err != nil {
			return nil, err
		}
		return jsonReply(status, &in)
	})
}

func deleteAlert(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error { return tx.DeleteAlert(c.PathValue("name")) })
}

func listFired(c *call) (*reply, error) {
	before, limit, err := c.pageOf("accountId", "instanceId")
	if err != nil {
		return nil, err
	}
	q := c.URL.Query()
	return c.show(func(r store.Reader) (any, error) {
		fired, next, err := engine.AlertsFired(r, q.Get("accountId"), q.Get("instanceId"), before, limit)
		return api.AlertsFired{Fired: fired, Next: next}, err
	})
}
