package bench

import "fmt"

// Asks are what a connection asks for, for a contender that is not called by HTTP: the same traffic with the same texts.
type Asks struct {
	asking  *asking
	traffic *traffic
}

// Ask is one request.
type Ask struct {
	Instance  int    // its number, from 0 on
	Requester string // who asks
	Key       string // idempotency key
	Item      []byte // JSON: the item, its count and its metadata
}

// NewAsks makes those of one connection of a workload with one item a request.
func (w Workload) NewAsks(connection, instances int) *Asks {
	return &Asks{newAsking(w), newTraffic(connection, instances)}
}

// Next draws the next request.
func (a *Asks) Next() Ask {
	t := a.traffic
	next := Ask{Instance: t.instance(), Requester: fmt.Sprintf("user-%02d", t.requester()), Item: t.one(a.asking.lists)}
	if a.asking.hot {
		next.Instance = 0
	}
	if a.asking.random {
		next.Key = string(t.appendRandomKey(nil))
	} else {
		next.Key = string(t.appendOrderedKey(nil))
	}
	return next
}
