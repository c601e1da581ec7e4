package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"time"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/test/shop"
	"github.com/farebox/farebox/token"
)

// store is a Farebox with an instance that has 100 tokens; one rendering costs 5.
type store struct {
	address, instance string
	privateKey        []byte
	close             func()
}

func openStore() *store {
	dir, err := os.MkdirTemp("", "farebox-example-")
	check(err)
	books, err := shop.Open(dir)
	check(err)
	h := httptest.NewServer(books)
	s := &store{address: h.URL, privateKey: books.Pair.PrivatePEM, close: func() {
		h.Close()
		check(errors.Join(books.Close(), os.RemoveAll(dir)))
	}}
	tokens, err := client.Admin(s.privateKey, "")
	check(err)
	admin, err := client.New(s.address, tokens, client.Options{})
	check(err)
	s.instance, err = shop.Furnish(context.Background(), admin, 100, map[string]string{"render": "5"})
	check(err)
	return s
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// client signs its own tokens, for its instance.
func (s *store) client() *client.Client {
	tokens, err := client.ForInstances(s.privateKey, "", s.instance)
	check(err)
	c, err := client.New(s.address, tokens, client.Options{})
	check(err)
	return c
}

func Example() {
	store := openStore()
	defer store.close()

	// The private key is in a file such as farebox-client.pem; its public half is registered with the service.
	tokens, err := client.ForInstances(store.privateKey, "", store.instance)
	check(err)
	farebox, err := client.New(store.address, tokens, client.Options{})
	check(err)

	answer, err := farebox.Charge(context.Background(), store.instance, client.Requester{Type: "user", Value: "ann"},
		[]client.Item{{Name: "render", Count: client.Count(2)}})
	check(err)
	fmt.Println(answer.RequestedItems[0].TotalTokensCharged, "tokens were charged")
	// Output: 10 tokens were charged
}

func ExampleClient_Charge_denied() {
	store := openStore()
	defer store.close()

	_, err := store.client().Charge(context.Background(), store.instance, client.Requester{Type: "user", Value: "ann"},
		[]client.Item{{Name: "render", Count: client.Count(21)}})
	if denied, is := errors.AsType[*client.Denied](err); is {
		fmt.Println(denied.Code, denied.Description)
	} else if err != nil {
		fmt.Println("nothing is known: do not do the work:", err)
	}
	// Output: 1306 Insufficient elastic tokens available
}

func ExampleClient_Hold() {
	store := openStore()
	defer store.close()
	farebox, ctx := store.client(), context.Background()

	// What it will cost is known only afterwards: 4 renderings at most.
	answer, err := farebox.Hold(ctx, &client.HoldRequest{
		InstanceID: store.instance, Requester: client.Requester{Type: "user", Value: "ann"},
		Items: []client.Item{{Name: "render", Count: client.Count(4)}},
	}, func(h *client.Held) error {
		// The work: as long as it takes, the hold is extended.
		h.Used(client.Item{Name: "render", Count: client.Count(3)})
		return nil
	})
	check(err)
	fmt.Println(answer.State, answer.TokensSettled)
	// Output: SETTLED 15
}

func ExampleClient_Use() {
	store := openStore()
	defer store.close()
	farebox, ctx := store.client(), context.Background()

	err := farebox.Use(ctx, &client.UseRequest{
		InstanceID: store.instance, Requester: client.Requester{Type: "user", Value: "ann"}, Items: []client.Item{{Name: "render"}},
	}, func(s *client.InUse) error {
		// The work, which stops when s.Context() ends: the session pays for it no more.
		fmt.Println(s.Ahead().State, "for", s.Ahead().NextCharge.Tokens, "tokens an hour")
		return s.Context().Err()
	})
	check(err)
	// Output: ACTIVE for 5 tokens an hour
}

func ExampleClient_Refund() {
	store := openStore()
	defer store.close()
	ctx := context.Background()

	answer, err := store.client().Charge(ctx, store.instance, client.Requester{Type: "user", Value: "ann"}, []client.Item{{Name: "render"}})
	check(err)

	tokens, err := client.Admin(store.privateKey, "")
	check(err)
	admin, err := client.New(store.address, tokens, client.Options{})
	check(err)
	// Who keeps the key with the order can ask again after any crash: it is given back once.
	for range 2 {
		var replayed bool
		refund, err := admin.Refund(ctx, answer.CorrelationID, api.NewRefund{Reason: "spoilt"}, client.Key("refund-order-17"), client.Replayed(&replayed))
		check(err)
		fmt.Println(refund.Refunds[0].Tokens, refund.Reason, replayed)
	}
	receipt, err := admin.Receipt(ctx, answer.CorrelationID)
	check(err)
	fmt.Println(receipt.Tokens, "charged,", receipt.Refunded, "given back")
	// Output:
	// 5 spoilt false
	// 5 spoilt true
	// 5 charged, 5 given back
}

func ExampleClient_Events() {
	store := openStore()
	defer store.close()
	farebox, ctx := store.client(), context.Background()
	for _, name := range []string{"ann", "bob", "cy"} {
		_, err := farebox.Charge(ctx, store.instance, client.Requester{Type: "user", Value: name}, []client.Item{{Name: "render"}})
		check(err)
	}
	// Pages are turned as the loop goes on.
	for event, err := range farebox.Events(ctx, client.EventFilter{InstanceID: store.instance, Limit: 2}) {
		check(err)
		fmt.Println(event.Requester.Value, event.Tokens)
	}
	// Output:
	// ann 5
	// bob 5
	// cy 5
}

func ExampleSpender() {
	store := openStore()
	defer store.close()
	farebox, ctx := store.client(), context.Background()

	name, fifteen, day := "laptop-7", token.FromInt(15), int64(86400)
	made, err := farebox.MakeLease(ctx, store.instance, api.NewLease{
		Client: &name, Requester: &api.Requester{Type: "user", Value: "ann"}, Tokens: &fifteen, Items: []api.LeaseItem{{Item: "render"}}, TTL: &day,
	})
	check(err)
	keys, err := farebox.LeaseKeys(ctx)
	check(err)
	spender, err := client.NewSpender(made.Lease, keys, nil)
	check(err)

	// From here on there is no network.
	for range 4 {
		fmt.Println(spender.Spend(time.Now(), "render", "", token.FromInt(1)), spender.Left())
	}

	// It is back.
	answer, err := spender.Report(ctx, farebox, true)
	check(err)
	fmt.Println(answer.State, answer.TokensUsed)
	// Output:
	// <nil> 10
	// <nil> 5
	// <nil> 0
	// what is left of the lease does not suffice 0
	// CLOSED 15
}
