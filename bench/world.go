package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/token"
)

// Instance is one that is asked.
type Instance struct {
	ID     string
	paidBy []byte // is in every answer that grants
}

// World is what a workload needs to be there.
type World struct {
	Instances []Instance // of one line item each, or more
	Ruled     []Instance // with rules and limits
}

// WorldOptions say how large a world is.
type WorldOptions struct {
	Instances int
	LineItems int  // spread over the instances; at least as many
	Ruled     bool // as many instances with rules of access and limits, too
}

// The two items that are asked for: one that everybody can pay, one that nobody can.
const (
	cheapItem = "render"
	dearItem  = "palace"
)

const (
	quantity  = 1_000_000_000_000 // of a line item: more than any run uses, and less than a dear item even with millions of them
	populates = 32                // requests at a time
)

// client calls a server's API as an administrator, for what is not measured.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

func newClient(base *url.URL, token string) *client {
	return &client{base, token, &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: populates}}}
}

func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerMost))
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("the server refuses the token, which must be one of administration: %d %.300s", response.StatusCode, text)
	case response.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %d %.300s", method, path, response.StatusCode, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

const provisioning = "/dynamicmonetization/provisioning/api/v1.1"

// populate makes a world of its own on a server: a rate table series, accounts and line items that no other run has.
func populate(ctx context.Context, c *client, o WorldOptions, tell func(done, of int)) (*World, error) {
	p := &populating{client: c, run: "bench-" + strings.ToLower(rand.Text()[:8])}
	zero := int64(0)
	cheap, dear := token.MustParse("0.25"), token.MustParse("9000000000000000000")
	table := api.RateTable[api.RateItemV11]{
		EffectiveFrom: &zero, Series: p.run, Version: "1", Items: []api.RateItemV11{{Name: cheapItem, Rate: &cheap}, {Name: dearItem, Rate: &dear}},
	}
	if err := c.call(ctx, "POST", provisioning+"/rate-tables", table, nil); err != nil {
		return nil, err
	}
	w := &World{Instances: make([]Instance, o.Instances)}
	total := o.Instances + o.LineItems
	if o.Ruled {
		w.Ruled = make([]Instance, o.Instances)
		total += 2 * o.Instances
	}
	p.tell = func(done int) { tell(done, total) }
	steps := []struct {
		count int
		make  func(ctx context.Context, i int) error
	}{
		{o.Instances, func(ctx context.Context, i int) (err error) {
			w.Instances[i], err = p.instance(ctx, fmt.Sprintf("%s-%d", p.run, i))
			return err
		}},
		{o.LineItems, func(ctx context.Context, i int) error {
			of := i % o.Instances
			return p.lineItem(ctx, w.Instances[of].ID, fmt.Sprintf("%s-%d-%d", p.run, of, i/o.Instances))
		}},
		{len(w.Ruled), func(ctx context.Context, i int) (err error) {
			w.Ruled[i], err = p.instance(ctx, fmt.Sprintf("%s-ruled-%d", p.run, i))
			return err
		}},
		{len(w.Ruled), func(ctx context.Context, i int) error {
			return p.ruled(ctx, w.Ruled[i].ID, fmt.Sprintf("%s-ruled-%d-0", p.run, i))
		}},
	}
	for _, s := range steps {
		if err := p.all(ctx, s.count, s.make); err != nil {
			return nil, err
		}
	}
	return w, nil
}

type populating struct {
	*client
	run  string // names what belongs to this run
	done int
	tell func(done int)
}

// all makes things some at a time.
func (p *populating) all(ctx context.Context, n int, make func(context.Context, int) error) error {
	const portion = 1000
	for from := 0; from < n; from += portion {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(populates)
		for i := from; i < min(from+portion, n); i++ {
			g.Go(func() error { return make(ctx, i) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		p.done += min(portion, n-from)
		p.tell(p.done)
	}
	return nil
}

func (p *populating) instance(ctx context.Context, account string) (Instance, error) {
	var out api.Instance
	err := p.call(ctx, "POST", provisioning+"/instances", api.NewInstance{ShortName: "main", AccountID: account}, &out)
	return Instance{ID: out.ID, paidBy: []byte(`"activationId":"` + account + `-`)}, err
}

func (p *populating) lineItem(ctx context.Context, instanceID, id string) error {
	zero, most, end := int64(0), int64(quantity), int64(period.LatestMS)
	l := api.LineItem[api.AttributesV11]{
		ActivationID: id, State: "DEPLOYED", Quantity: &most, Start: &zero, End: &end, Attributes: &api.AttributesV11{RateTableSeries: p.run},
	}
	return p.call(ctx, "PUT", provisioning+"/instances/"+instanceID+"/line-items", l, nil)
}

// ruled gives an instance a line item that is for one department, with an allocation and a limit so large that they never end.
func (p *populating) ruled(ctx context.Context, instanceID, lineItem string) error {
	if err := p.lineItem(ctx, instanceID, lineItem); err != nil {
		return err
	}
	path := "/dynamicmonetization/api/v1.1/instances/" + instanceID
	condition := api.Conditions{Conditions: []api.Condition{{Name: "cad", Type: "SIMPLE", Operator: "IN", Key: "department", Values: []string{"CAD", "CAM"}}}}
	var made []api.Condition
	if err := p.call(ctx, "POST", path+"/conditions", condition, &made); err != nil {
		return err
	}
	if len(made) != 1 {
		return fmt.Errorf("%d conditions were made of one", len(made))
	}
	most := token.FromInt(quantity)
	actions := []api.Action{{Name: "cad", ConditionID: made[0].ID, Action: "ALLOW", Allocation: &most}}
	if err := p.call(ctx, "POST", path+"/line-items/"+lineItem+"/actions", actions, nil); err != nil {
		return err
	}
	next := time.Now().Add(24 * time.Hour).UnixMilli()
	return p.call(ctx, "PUT", path+"/line-items/"+lineItem+"/consumption-limit", api.NewConsumptionLimit{Limit: &most, Period: "DAY", NextReset: &next}, nil)
}
