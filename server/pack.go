package server

import (
	"net/http"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/store"
)

func listPacks(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		out := api.Packs{Packs: []api.Pack{}}
		all, err := engine.Packs(r)
		for _, p := range all {
			out.Packs = append(out.Packs, api.Pack(*p))
		}
		return out, err
	})
}

func getPack(c *call) (*reply, error) {
	return c.show(func(r store.Reader) (any, error) {
		p, err := engine.PackOf(r, c.PathValue("name"))
		return (*api.Pack)(p), err
	})
}

func createPack(c *call) (*reply, error) {
	return c.putPack(http.StatusCreated, (*engine.Change).CreatePack)
}

func replacePack(c *call) (*reply, error) {
	return c.putPack(http.StatusOK, (*engine.Change).ReplacePack)
}

func (c *call) putPack(status int, put func(*engine.Change, *engine.Pack) error) (*reply, error) {
	var in api.Pack
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.nameByPath(&in.Name); err != nil {
		return nil, err
	}
	p := engine.Pack(in)
	if err := p.Complete(); err != nil {
		return nil, err
	}
	return c.change(func(tx *engine.Change) (*reply, error) {
		if err := put(tx, &p); err != nil {
			return nil, err
		}
		return jsonReply(status, api.Pack(p))
	})
}

func deletePack(c *call) (*reply, error) {
	return c.remove(func(tx *engine.Change) error { return tx.DeletePack(c.PathValue("name")) })
}

// sellPack answers 201 for what was sold, and 200 for an order that was made before.
func sellPack(c *call) (*reply, error) {
	order, err := decodeSale(c.body)
	if err != nil {
		return nil, err
	}
	order.Pack = c.PathValue("name")
	return c.change(func(tx *engine.Change) (*reply, error) {
		sale, l, sold, err := tx.Sell(order)
		if err != nil {
			return nil, err
		}
		l.At(c.server.engine.Now())
		status := http.StatusOK
		if sold {
			status = http.StatusCreated
		}
		return jsonReply(status, api.Sale{
			OrderNumber: sale.OrderNumber, Pack: sale.Pack, InstanceID: sale.InstanceID, Sold: sale.TimeMS,
			LineItem: wireLineItemV11(l),
		})
	})
}

func decodeSale(body []byte) (*engine.Order, error) {
	var in api.NewSale
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	o := &engine.Order{
		OrderNumber: in.OrderNumber, InstanceID: in.InstanceID, Quantity: 1, Start: in.Start, End: in.End, OverdraftPercent: in.OverdraftPercent,
		ActivationID: in.ActivationID,
	}
	if in.Quantity != nil {
		o.Quantity = *in.Quantity
	}
	return o, nil
}
