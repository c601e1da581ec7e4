package server

import (
	"net/http"
	"strings"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/notify"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

func listAlerts(c *call) (*reply, error) {
	out := api.Alerts{Alerts: []*notify.Rule{}}
	err := c.view(func(r store.Reader) (err error) {
		out.Alerts, err = engine.Alerts(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, out)
}

func getAlert(c *call) (*reply, error) {
	var rule *notify.Rule
	err := c.view(func(r store.Reader) (err error) {
		rule, err = engine.AlertOf(r, c.PathValue("name"))
		return err
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, rule)
}

func createAlert(c *call) (*reply, error) {
	return c.putAlert(http.StatusCreated, "", (*engine.Change).CreateAlert)
}

func replaceAlert(c *call) (*reply, error) {
	return c.putAlert(http.StatusOK, c.PathValue("name"), (*engine.Change).ReplaceAlert)
}

// putAlert reads a rule, which has a name unless the path has, and puts it.
func (c *call) putAlert(status int, name string, put func(*engine.Change, *notify.Rule) error) (*reply, error) {
	var in notify.Rule
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	switch {
	case name == "":
	case in.Name == "":
		in.Name = name
	case in.Name != name:
		return nil, problem.Field("name", "must be that of the path, or left out")
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
	return c.change(func(tx *engine.Change) (*reply, error) {
		return &reply{status: http.StatusNoContent}, tx.DeleteAlert(c.PathValue("name"))
	})
}

func listFired(c *call) (*reply, error) {
	before, limit, err := c.pageOf("accountId", "instanceId")
	if err != nil {
		return nil, err
	}
	var out api.AlertsFired
	q := c.URL.Query()
	err = c.view(func(r store.Reader) (err error) {
		out.Fired, out.Next, err = engine.AlertsFired(r, q.Get("accountId"), q.Get("instanceId"), before, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, out)
}

// pageOf reads where a list that begins with the newest goes on, and how much of it is asked for. Other parameters are refused.
func (c *call) pageOf(others ...string) (before int64, limit int, err error) {
	known := " next limit " + strings.Join(others, " ") + " "
	for name := range c.URL.Query() {
		if !strings.Contains(known, " "+name+" ") {
			return 0, 0, problem.Field(name, "is not a parameter of this list; see /docs")
		}
	}
	if before, err = c.queryInt("next", 0, 0, 1<<62); err != nil {
		return 0, 0, err
	}
	n, err := c.queryInt("limit", pageUsual, 1, pageMost)
	return before, int(n), err
}
