package api

// BulkCharge is a line of a bulk: an access request of an instance, with an idempotency key of its own.
type BulkCharge struct {
	InstanceID     string             `json:"instanceId"`
	IdempotencyKey string             `json:"idempotencyKey"`
	Requester      *Requester         `json:"requester"`
	RequestedItems []RequestedItemV11 `json:"requestedItems"`
	AllowPartial   bool               `json:"allowPartial"`
	AllOrNothing   bool               `json:"allOrNothing"`
}

// BulkAnswer is a line of its answer: what the access request would have been answered by itself. Either Answer or Problem is there.
type BulkAnswer struct {
	Line     int64         `json:"line"` // of the bulk, from 1
	Status   int64         `json:"status"`
	Replayed bool          `json:"replayed,omitzero"`
	Answer   *AccessAnswer `json:"answer,omitempty"`
	Problem  *Problem      `json:"problem,omitempty"`
}
