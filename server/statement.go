package server

import (
	"net/http"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/statement"
)

// accountStatement states the month of an account.
func accountStatement(c *call) (*reply, error) {
	return c.statement(func(month engine.Month) (*engine.Statement, error) {
		return c.server.engine.Statement(c.Context(), c.PathValue("accountId"), month)
	})
}

// instanceStatement states the month of one instance, as its clients may see it.
func instanceStatement(c *call) (*reply, error) {
	return c.statement(func(month engine.Month) (*engine.Statement, error) {
		return c.server.engine.InstanceStatement(c.Context(), c.PathValue("instanceId"), month)
	})
}

func (c *call) statement(made func(engine.Month) (*engine.Statement, error)) (*reply, error) {
	if err := c.knows("format", "timeZone"); err != nil {
		return nil, err
	}
	q := c.URL.Query()
	format := q.Get("format")
	if format != "" && format != "json" && format != "csv" && format != "html" {
		return nil, problem.Field("format", "must be json, csv or html")
	}
	month, err := engine.ParseMonth(c.PathValue("month"), q.Get("timeZone"))
	if err != nil {
		return nil, err
	}
	s, err := made(month)
	if err != nil {
		return nil, err
	}
	wire := statement.Wire(s)
	switch format {
	case "csv":
		return &reply{status: http.StatusOK, contentType: "text/csv; charset=utf-8", body: statement.CSV(wire)}, nil
	case "html":
		body, err := statement.Page(wire)
		return &reply{status: http.StatusOK, contentType: "text/html; charset=utf-8", body: body}, err
	}
	return jsonReply(http.StatusOK, wire)
}
