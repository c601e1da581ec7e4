package blackbox

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
)

const (
	provisioning = "/dynamicmonetization/provisioning/api/v1.1"
	instances    = provisioning + "/instances"
	aLongTime    = `"start":0,"end":253402300799999`
)

// priceList has an item for one token and one for a fraction.
const priceList = `{"series":"s","version":"1","effectiveFrom":0,"items":[
	{"name":"unit","version":"","rate":1},{"name":"part","version":"2","rate":0.030517578125}]}`

// newInstance makes an instance, and the price list unless it is there.
func (c *client) newInstance(t testing.TB, account string) (id string) {
	t.Helper()
	if a, err := c.call("POST", provisioning+"/rate-tables", "", priceList); err != nil || a.status != 201 && a.status != 409 {
		t.Fatal(a, err)
	}
	var instance struct{ ID string }
	c.must(t, "POST", instances, fmt.Sprintf(`{"shortName":"main","accountId":%q}`, account), &instance)
	return instance.ID
}

// putLineItem maps a line item; attributes are added to the usual ones.
func (c *client) putLineItem(t testing.TB, instance, id string, quantity int, attributes string) {
	t.Helper()
	c.must(t, "PUT", instances+"/"+instance+"/line-items", lineItem(id, quantity, attributes), nil)
}

func lineItem(id string, quantity int, attributes string) string {
	return fmt.Sprintf(`{"activationId":%q,"state":"DEPLOYED","quantity":%d,%s,"attributes":{"rateTableSeries":"s"%s}}`, id, quantity, aLongTime, attributes)
}

// used asks for a line item's use.
func (c *client) used(t testing.TB, instance, id string) *big.Rat {
	t.Helper()
	var l struct{ Used json.Number }
	c.must(t, "GET", instances+"/"+instance+"/line-items/"+id, "", &l)
	return rational(t, l.Used)
}

func rational(t testing.TB, n json.Number) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		t.Fatalf("%q is not a number", n)
	}
	return r
}

func accessPath(version, instance string) string {
	return "/dynamicmonetization/elastic/api/" + version + "/instances/" + instance + "/access-request"
}

// ask is the body of a request for one item.
func ask(item, version, count string) string {
	return fmt.Sprintf(`{"requester":{"type":"user","value":"mia"},"requestedItems":[{"item":%q,"version":%q,"count":%s}]}`, item, version, count)
}

// granted is what an access request was told.
type granted struct {
	CorrelationID  string
	RequestedItems []struct {
		Item               string
		Count              json.Number
		TotalTokensCharged json.Number
		LineItems          []struct {
			ActivationID  string
			TokensCharged json.Number
		}
		Status struct{ Code string }
	}
}

func parseGranted(body string) (g granted, err error) {
	err = json.Unmarshal([]byte(body), &g)
	if err == nil && (len(g.RequestedItems) == 0 || g.CorrelationID == "") {
		err = fmt.Errorf("not an answer to an access request: %s", body)
	}
	return g, err
}

// charge asks for an item and returns the item's status code.
func (c *client) charge(t testing.TB, instance, item, version, count string) string {
	t.Helper()
	a, err := c.call("POST", accessPath("v1.1", instance), "", ask(item, version, count))
	if err != nil || a.status != 200 {
		t.Fatal(a, err)
	}
	g, err := parseGranted(a.body)
	if err != nil {
		t.Fatal(err)
	}
	return g.RequestedItems[0].Status.Code
}
