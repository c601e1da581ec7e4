// Package shop has no test: it is a Farebox in the test's own process, for tests of those who call one.
package shop

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/auth"
	"github.com/farebox/farebox/client"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/period"
	"github.com/farebox/farebox/server"
	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/token"
)

// Shop is a Farebox whose clock is that of the test: real, or a bubble's.
type Shop struct {
	http.Handler
	Pair   *auth.Pair // registered for both roles
	engine *engine.Engine
	books  *sqlite.Store
}

// Open starts a Farebox in a folder.
func Open(dir string) (*Shop, error) {
	books, err := sqlite.Open(filepath.Join(dir, "farebox.db"), sqlite.Options{Create: true, Serve: true})
	if err != nil {
		return nil, err
	}
	s := &Shop{engine: engine.New(books, engine.Options{}), books: books}
	s.Handler = server.New(s.engine, server.Options{})
	if s.Pair, err = auth.NewPair(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	_, _, err = s.engine.Change(context.Background(), "", nil, func(tx *engine.Change) (*store.Answer, error) {
		return nil, tx.SaveKeys([]auth.Key{
			{Role: auth.Admin, ID: s.Pair.ID, PublicPEM: s.Pair.PublicPEM}, {Role: auth.Client, ID: s.Pair.ID, PublicPEM: s.Pair.PublicPEM},
		})
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends it.
func (s *Shop) Close() error {
	s.engine.Stop()
	return s.books.Close()
}

// Furnish makes an instance with a line item that has so many tokens, and a rate table with the prices of items, such as render or render@2. It returns the
// instance.
func Furnish(ctx context.Context, admin *client.Client, tokens int64, prices map[string]string) (instance string, err error) {
	start, end := int64(0), int64(period.LatestMS)
	table := client.RateTable{Version: "1", EffectiveFrom: &start}
	for item, price := range prices {
		rate := token.MustParse(price)
		name, version, _ := strings.Cut(item, "@")
		table.Items = append(table.Items, api.RateItemV11{Name: name, Version: version, Rate: &rate})
	}
	if err := admin.AddRateTable(ctx, table); err != nil {
		return "", err
	}
	made, err := admin.CreateInstance(ctx, api.NewInstance{ShortName: "main", AccountID: "ACME"})
	if err != nil {
		return "", err
	}
	_, err = admin.PutLineItem(ctx, made.ID, client.LineItem{
		ActivationID: "ACME-0001", State: "DEPLOYED", Quantity: &tokens, Start: &start, End: &end, Attributes: &api.AttributesV11{},
	})
	return made.ID, err
}
