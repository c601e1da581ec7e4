package bigfile

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// items are what is used, the most used first, with their rates. The last one is never priced.
var items = []struct{ name, rate string }{
	{"model-small/input", "0.0002"}, {"model-small/output", "0.0008"}, {"model-large/input", "0.003"}, {"model-large/output", "0.015"},
	{"embed/text", "0.00002"}, {"search/query", "0.05"}, {"image/standard", "4"}, {"image/large", "8"}, {"speech/minute", "0.6"},
	{"storage/gb-day", "0.02"}, {"render/frame", "0.25"}, {"ocr/page", "0.15"}, {"translate/character", "0.00001"}, {"viewer", "1"},
	{"modeler", "6"}, {"mesher", "12"}, {"solver/core-hour", "0.35"}, {"optimizer", "40"}, {"report", "2"}, {"archive", "0"}, {"preview/beta", ""},
}

// The names that use is told apart by.
var (
	regions     = []string{"eu-west", "us-east", "ap-south"}
	departments = []string{"design", "research", "sales", "support", "finance", "operations", "legal"}
)

const projects = 40

// tables are two versions: halfway through, every third item becomes dearer by a quarter.
func (w *writer) tables() []*rate.Table {
	first, second := &rate.Table{Version: "1"}, &rate.Table{Version: "2"}
	second.EffectiveFromMS = (w.fromMS + w.Until.UnixMilli()) / 2
	for i, of := range items {
		if of.rate == "" {
			continue
		}
		item := rate.Item{Name: of.name, Rate: token.MustParse(of.rate)}
		first.Items = append(first.Items, item)
		if i%3 == 0 {
			item.Rate = token.MulHalfEven(item.Rate, token.MustParse("1.25"))
		}
		second.Items = append(second.Items, item)
	}
	return []*rate.Table{first, second}
}

// lineItems are some given tokens, then what was bought: to every twentieth customer too little, so that it is denied in the end.
func (w *writer) lineItems(i int, instanceID string) []ledger.LineItem {
	given := ledger.LineItem{
		ActivationID: fmt.Sprintf("given-%04d", i), InstanceID: instanceID, State: ledger.Deployed, Elastic: true, Quantity: 500, Priority: -1,
		EndMS: period.LatestMS, Kind: ledger.Free,
	}
	bought := given
	bought.ActivationID, bought.Quantity, bought.Priority, bought.Kind = fmt.Sprintf("bought-%04d", i), 1<<40, 0, ledger.Paid
	bought.UnitPrice, bought.Currency = token.MustParse("0.01"), "EUR"
	if i%20 == 19 {
		bought.Quantity = 1000
	}
	return []ledger.LineItem{given, bought}
}

// ask draws a request for at most so many items.
func (w *writer) ask(most int64) ask {
	instance, requester := int(w.instance.Uint64()), int(w.requester.Uint64())
	a := ask{instanceID: w.instances[instance]}
	department := departments[(instance+requester)%len(departments)]
	a.Requester = access.Requester{
		Type: "user", Value: fmt.Sprintf("user-%02d@account-%04d", requester, instance),
		Dictionary: jsontext.Value(fmt.Sprintf(`{"department":%q}`, department)),
	}
	project, region := w.random.IntN(projects), regions[(instance+w.random.IntN(2))%len(regions)]
	metaData := jsontext.Value(fmt.Sprintf(`{"project":"project-%02d","region":%q}`, project, region))
	for range min(most, 1+w.random.Int64N(8)) {
		item := access.Item{MetaData: metaData}
		item.Item, item.Count = items[w.item.Uint64()].name, token.FromInt(1+w.random.Int64N(2000))
		a.Items = append(a.Items, item)
	}
	return a
}
