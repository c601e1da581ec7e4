package client_test

import (
	"strings"
	"testing"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/token"
)

// An id that is empty makes another path, which is answered as nobody expects.
func TestIDsThatAreEmpty(t *testing.T) {
	w := newWorld(t)
	w.losing(nil)
	for name, err := range map[string]error{
		"in the middle": second(w.app().Charge(t.Context(), "", ann, []client.Item{work(1)})),
		"at the end":    second(w.app().HoldByID(t.Context(), "")),
		"of a page":     func() (err error) { _, err = w.admin().LineItems(t.Context(), ""); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "an id in the path is empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if sent := w.operations(); len(sent) > 0 {
		t.Errorf("%q were sent", sent)
	}
}

func second[T any](_ T, err error) error { return err }

// Sums may have more digits than what is sent.
func TestSumsOfAllSizes(t *testing.T) {
	w := newWorld(t)
	most, start, end := int64(9223372036854775807), int64(0), int64(253402300799999)
	for _, id := range []string{"ACME-0002", "ACME-0003"} {
		_, err := w.admin().PutLineItem(t.Context(), w.instance, client.LineItem{
			ActivationID: id, State: "DEPLOYED", Quantity: &most, Start: &start, End: &end, Attributes: &api.AttributesV11{},
		})
		w.must(err)
	}
	b, err := w.app().Balance(t.Context(), w.instance)
	w.must(err)
	if want := token.FromInt(most).Add(token.FromInt(most)).Add(token.FromInt(100)); !b.Total.Balance.Equal(want) {
		t.Errorf("%s are left, want %s", b.Total.Balance, want)
	}
}

func TestBulksThatAreTooLarge(t *testing.T) {
	w := newWorld(t)
	w.losing(nil)
	answers, err := w.app().ChargeInBulk(t.Context(), make([]api.BulkCharge, 10_001))
	if err == nil || !strings.Contains(err.Error(), "10001 lines are more than the 10000 of a bulk") || answers != nil || len(w.operations()) > 0 {
		t.Errorf("%v, %d answers, %q were sent", err, len(answers), w.operations())
	}
}
