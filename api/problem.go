package api

// Message is the body of most answers that carry no object, and of errors of the reference API.
type Message struct {
	Message string `json:"message"`
}

// Errors is the body of a refused line item in v1.0.
type Errors struct {
	Errors []string `json:"errors"`
}

// Messages is the body of a refused line item in v1.1.
type Messages struct {
	Message []string `json:"message"`
}

// Error is the body of a refused rate table that is there already.
type Error struct {
	Error string `json:"error"`
}

// Problem is an error of the Farebox API: problem details as RFC 9457 defines them. Field names the offending part of the
// request.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitzero"`
}
