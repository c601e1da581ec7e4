package codec

import (
	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/formula"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/rate"
	"github.com/farebox/farebox/token"
)

// MarshalItems returns the items of a rate table as JSON.
func MarshalItems(items []rate.Item) ([]byte, error) {
	all := make([]rateItem, len(items))
	for i := range items {
		all[i] = newRateItem(&items[i])
	}
	return json.Marshal(all)
}

// UnmarshalItems returns the items of which MarshalItems made a text.
func UnmarshalItems(text []byte) ([]rate.Item, error) {
	var all []rateItem
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	items := make([]rate.Item, len(all))
	for i := range all {
		var err error
		if items[i], err = all[i].item(); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// rateItem is an item as it stands in the JSON of a table.
type rateItem struct {
	Name        string        `json:"name"`
	Version     string        `json:"version,omitzero"`
	Rate        *token.Amount `json:"rate,omitempty"`
	Formula     string        `json:"formula,omitzero"` // in place of the rate
	FreeSeconds int64         `json:"freeSeconds,omitzero"`
	Window      string        `json:"window,omitzero"` // a period such as P1D
	Cost        *token.Amount `json:"cost,omitempty"`
}

func newRateItem(item *rate.Item) rateItem {
	r := rateItem{Name: item.Name, Version: item.Version, FreeSeconds: item.FreeSeconds, Window: period.Format(item.Window), Cost: item.Cost}
	if item.Formula != nil {
		r.Formula = item.Formula.String()
	} else {
		r.Rate = &item.Rate
	}
	return r
}

func (r rateItem) item() (item rate.Item, err error) {
	item = rate.Item{Name: r.Name, Version: r.Version, FreeSeconds: r.FreeSeconds, Cost: r.Cost}
	if r.Rate != nil {
		item.Rate = *r.Rate
	}
	if r.Formula != "" {
		if item.Formula, err = formula.Parse(r.Formula); err != nil {
			return item, err
		}
	}
	if r.Window != "" {
		item.Window, err = period.Parse(r.Window)
	}
	return item, err
}
