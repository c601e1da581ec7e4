package api

// NewInstance is what an instance is made of.
type NewInstance struct {
	ShortName string `json:"shortName"`
	AccountID string `json:"accountId"`
}

// Instance is where an account's line items live. Times are milliseconds since 1970.
type Instance struct {
	ID              string `json:"id"`
	ShortName       string `json:"shortName"`
	AccountID       string `json:"accountId"`
	DefaultInstance bool   `json:"defaultInstance"`
	Created         int64  `json:"created"`
	Modified        int64  `json:"modified"`
}

// Instances is a page of instances; Next is 0 on the last.
type Instances struct {
	Content []Instance `json:"content"`
	Next    int64      `json:"next"`
}
