package client_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/notify"
)

// calls make every operation once. An id with what paths are made of shows that it is escaped.
func calls(c *client.Client) {
	const id = "a/b ?ü"
	ctx := context.Background()
	ref := client.SessionRef{InstanceID: "i", SessionID: id}
	items := []client.Item{{Name: "work"}}
	month := client.Month{Year: 2026, Month: time.March}
	rs := c.ReferenceSessions()

	_ = c.SaveAdministrationKeys(ctx, nil)
	_ = c.DeleteAdministrationKey(ctx, id)
	_ = c.SaveClientKeys(ctx, nil)
	_ = c.DeleteClientKey(ctx, id)
	drain(c.Keys(ctx))
	_, _ = c.CreateInstance(ctx, api.NewInstance{})
	_, _ = c.Instance(ctx, id)
	drain(c.Instances(ctx))
	_, _ = c.DefaultInstance(ctx, id)
	_, _ = c.LineItems(ctx, id)
	_, _ = c.LineItem(ctx, id, id)
	_, _ = c.PutLineItem(ctx, id, client.LineItem{})
	_ = c.DeleteLineItem(ctx, id, id)
	_, _ = c.RateTables(ctx)
	_ = c.AddRateTable(ctx, client.RateTable{})
	_ = c.DeleteRateTable(ctx, "", "1")
	_, _ = c.SimulateRateTable(ctx, api.SimulationRequest{})
	_, _ = c.Configuration(ctx)
	_, _ = c.SetConfiguration(ctx, api.NewConfigValue{})

	_, _ = c.Conditions(ctx, id)
	_, _ = c.AddConditions(ctx, id, nil)
	_, _ = c.PatchConditions(ctx, id, nil)
	_ = c.DeleteConditions(ctx, id)
	_ = c.DeleteCondition(ctx, id, id)
	drain(c.AllActions(ctx, id))
	_, _ = c.Actions(ctx, id, id)
	_, _ = c.AddActions(ctx, id, id, nil)
	_, _ = c.PutActions(ctx, id, id, nil)
	_ = c.DeleteActions(ctx, id, id)
	_, _ = c.Limit(ctx, id, id)
	drain(c.Consumed(ctx, id, id))
	_, _ = c.PutLimit(ctx, id, id, api.NewConsumptionLimit{})
	_ = c.DeleteLimit(ctx, id, id)

	_, _ = c.Charge(ctx, id, ann, items)
	_, _ = c.ChargeInBulk(ctx, []api.BulkCharge{{}})
	_, _ = c.Quote(ctx, id, ann, items)
	_, _ = c.Balance(ctx, id)
	_, _ = c.Forecast(ctx, id)
	_, _ = c.Receipt(ctx, id)
	_, _ = c.Refund(ctx, id, api.NewRefund{})
	_, _ = c.Adjust(ctx, id, id, api.NewAdjustment{})
	_, _ = c.TopUp(ctx, id, id, api.NewTopUp{Tokens: 1})
	_, _ = c.Transfer(ctx, api.NewTransfer{})

	_, _ = c.MakeHold(ctx, id, api.NewHold{})
	drain(c.Holds(ctx, id))
	_, _ = c.HoldByID(ctx, id)
	_, _ = c.ExtendHold(ctx, id, time.Minute)
	_, _ = c.SettleHold(ctx, id, api.HoldSettlement{})
	_, _ = c.ReleaseHold(ctx, id)
	_, _ = c.MakeLease(ctx, id, api.NewLease{})
	drain(c.Leases(ctx, id))
	_, _ = c.LeaseByID(ctx, id)
	_, _ = c.ReportLease(ctx, id, api.LeaseReport{})
	_, _ = c.EndLease(ctx, id)
	_, _ = c.LeaseKeys(ctx)
	_, _ = c.SignIn(ctx, "", "")

	_, _ = c.CreateSession(ctx, id)
	drain(c.Sessions(ctx, id))
	_, _ = c.Session(ctx, ref)
	_, _ = c.AskInSession(ctx, ref, api.SessionRequest[api.RequestedItemV11]{})
	_, _ = c.Heartbeat(ctx, ref)
	_ = c.CloseSession(ctx, ref)
	_, _ = rs.Create(ctx, id)
	_, _ = rs.List(ctx, id)
	_, _ = rs.Session(ctx, ref)
	_, _ = rs.Ask(ctx, ref, api.SessionRequest[api.RequestedItemV11]{})
	_ = rs.Heartbeat(ctx, ref)
	_ = rs.Close(ctx, ref)

	_, _ = c.Packs(ctx)
	_, _ = c.Pack(ctx, id)
	_, _ = c.CreatePack(ctx, api.Pack{})
	_, _ = c.ReplacePack(ctx, api.Pack{Name: id})
	_ = c.DeletePack(ctx, id)
	_, _ = c.Sell(ctx, id, api.NewSale{})
	drain(c.AutoTopUps(ctx))
	_, _ = c.AutoTopUp(ctx, id, id)
	_, _ = c.PutAutoTopUp(ctx, id, id, api.NewAutoTopUp{})
	_ = c.DeleteAutoTopUp(ctx, id, id)
	_, _ = c.AcknowledgeAutoTopUp(ctx, id, id, 1)
	_, _ = c.DeclineAutoTopUp(ctx, id, id, id, "")

	_, _ = c.Alerts(ctx)
	_, _ = c.Alert(ctx, id)
	_, _ = c.CreateAlert(ctx, &notify.Rule{})
	_, _ = c.ReplaceAlert(ctx, &notify.Rule{Name: id})
	_ = c.DeleteAlert(ctx, id)
	drain(c.AlertsFired(ctx, "", id))
	_, _ = c.Webhooks(ctx)
	_, _ = c.Webhook(ctx, id)
	_, _ = c.CreateWebhook(ctx, api.NewWebhook{})
	_, _ = c.ReplaceWebhook(ctx, id, api.NewWebhook{})
	_ = c.DeleteWebhook(ctx, id)
	_, _ = c.RotateWebhook(ctx, id)
	_, _ = c.TestWebhook(ctx, id)
	drain(c.Deliveries(ctx, id))
	_, _ = c.Delivery(ctx, id, id)
	_, _ = c.ReplayDelivery(ctx, id, id)

	_, _ = c.Usage(ctx, client.UsageQuery{})
	drain(c.Events(ctx, client.EventFilter{}))
	_, _ = c.ExportEvents(ctx, io.Discard, "csv", client.EventFilter{})
	_, _ = c.Statement(ctx, id, month)
	_, _ = c.AccountStatement(ctx, id, month)
	_, _ = c.Insights(ctx)
	_, _ = c.Insight(ctx, id, nil)
	drain(c.Live(ctx, client.LiveQuery{}))
	_, _ = c.Overview(ctx, client.OverviewQuery{})
	drain(c.Ending(ctx, 1))
	drain(c.Receipts(ctx, id))
	_, _ = c.RateTableVersions(ctx, id)
	_, _ = c.RateTableItems(ctx, id, id, id, 1, 1)
	_, _ = c.RateTableDiff(ctx, id, id, id, 1, 1)
	_, _ = c.EvaluateFormula(ctx, "1", nil)
	_, _ = c.Service(ctx)
	_, _ = c.BeginProof(ctx)
	_, _ = c.Proof(ctx)
	_, _ = c.TestClock(ctx)
	_, _ = c.AdvanceTestClock(ctx, time.Hour)
	_ = c.Health(ctx)
	_ = c.Ready(ctx)
	_, _ = c.Document(ctx)
	_, _ = c.Metrics(ctx)
}

func drain[T any](all iter.Seq2[T, error]) {
	for range all {
	}
}

// recorder answers nothing well, and writes down what it is asked.
type recorder struct{ asked []*http.Request }

func (r *recorder) RoundTrip(in *http.Request) (*http.Response, error) {
	r.asked = append(r.asked, in)
	return &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}, Body: http.NoBody}, nil
}

// notForPrograms are pages for people.
var notForPrograms = []string{"GET /docs/", "GET /console/"}

// TestEveryOperationHasAMethod goes through the OpenAPI document. The client speaks v1.1 of the reference API: v1.0 has the same operations.
func TestEveryOperationHasAMethod(t *testing.T) {
	r := &recorder{}
	c, err := client.New("http://farebox", nil, client.Options{HTTP: &http.Client{Transport: r}})
	if err != nil {
		t.Fatal(err)
	}
	calls(c)
	var document struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(api.Document, &document); err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\\\{[^/]*\\\}`)
	made := make([]bool, len(r.asked))
	operations := 0
	for path, item := range document.Paths {
		pattern := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(strings.ReplaceAll(path, "/v1.0/", "/v1.1/")), "[^/]+") + "$")
		for method := range item {
			method = strings.ToUpper(method)
			if !slices.Contains([]string{"GET", "PUT", "POST", "PATCH", "DELETE"}, method) || slices.Contains(notForPrograms, method+" "+path) {
				continue
			}
			operations++
			found := false
			for i, asked := range r.asked {
				if asked.Method == method && pattern.MatchString(asked.URL.EscapedPath()) {
					made[i], found = true, true
				}
			}
			if !found {
				t.Errorf("no method of the client makes %s %s", method, path)
			}
		}
	}
	if operations < 100 {
		t.Errorf("only %d operations were found", operations)
	}
	for i, asked := range r.asked {
		if !made[i] {
			t.Errorf("%s %s is not in the document", asked.Method, asked.URL.EscapedPath())
		}
		if key := asked.Header.Get("Idempotency-Key"); (key == "") != (asked.Method == "GET" || keyless(asked.URL.Path)) {
			t.Errorf("%s %s has the key %q", asked.Method, asked.URL.Path, key)
		}
	}
}

// keyless operations change nothing that a key could keep from being done twice, or have keys in their lines.
func keyless(path string) bool {
	return strings.HasSuffix(path, "/test") || path == "/farebox/v1/access-requests"
}

// Ids are the producer's choice; these two would be steps in a path.
func TestIDsOfDotsAlone(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.admin(), t.Context()
	for _, id := range []string{".", ".."} {
		_, err := c.PutLineItem(ctx, w.instance, client.LineItem{
			ActivationID: id, State: "DEPLOYED", Quantity: new(int64(1)), Start: new(int64(0)), End: new(int64(1)), Attributes: &api.AttributesV11{},
		})
		w.must(err)
		if l, err := c.LineItem(ctx, w.instance, id); err != nil || l.ActivationID != id {
			t.Errorf("%q is read as %+v, %v", id, l, err)
		}
		if actions, err := c.Actions(ctx, w.instance, id); err != nil || len(actions) > 0 {
			t.Errorf("the actions of %q: %v, %v", id, actions, err)
		}
		w.must(c.DeleteLineItem(ctx, w.instance, id))
		if l, err := c.LineItem(ctx, w.instance, id); err == nil {
			t.Errorf("%q is deleted, and read as %+v", id, l)
		}
	}
}
