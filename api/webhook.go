package api

import "github.com/go-json-experiment/json/jsontext"

// NewWebhook is where events are to be sent to. No types are all types.
type NewWebhook struct {
	URL         string   `json:"url"`
	Description string   `json:"description,omitzero"`
	Types       []string `json:"types,omitempty"`
	Disabled    bool     `json:"disabled,omitzero"`
}

// Webhook is where events are sent to. Secret is there when it was made just now, and never again. Reason says why it was disabled, if
// nobody told it to be; Failing since when every attempt has failed.
type Webhook struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Types       []string `json:"types"`
	Disabled    bool     `json:"disabled"`
	Reason      string   `json:"reason,omitzero"`
	Failing     int64    `json:"failing,omitzero"`
	Secret      string   `json:"secret,omitzero"`
	OldSecret   int64    `json:"oldSecretUntil,omitzero"`
	Created     int64    `json:"created"`
	Modified    int64    `json:"modified"`
}

// Webhooks are all webhooks.
type Webhooks struct {
	Webhooks []Webhook `json:"webhooks"`
}

// Attempt is one try to send an event. Status 0: no answer came, and Error says why. Answer is its first bytes.
type Attempt struct {
	Time     int64  `json:"time"`
	Status   int    `json:"status"`
	Duration int64  `json:"duration"`
	Answer   string `json:"answer,omitzero"`
	Error    string `json:"error,omitzero"`
}

// WebhookTest is what came back from a test event.
type WebhookTest struct {
	Delivered bool    `json:"delivered"`
	Attempt   Attempt `json:"attempt"`
}

// Delivery is one event on its way to one webhook. Attempts counts those since it was made or told to be sent again; Status is what the last
// one was answered with. Due is left out once it is over.
type Delivery struct {
	ID        string `json:"id"`
	MessageID string `json:"messageId"`
	Type      string `json:"type"`
	State     string `json:"state"`
	Created   int64  `json:"created"`
	Due       int64  `json:"due,omitzero"`
	Attempts  int    `json:"attempts"`
	Status    int    `json:"status,omitzero"`
}

// Deliveries is a page of deliveries, newest first. Next is where to go on; it is left out on the last page.
type Deliveries struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       int64      `json:"next,omitzero"`
}

// DeliveryDetail is a delivery with all its attempts, and the body that is sent.
type DeliveryDetail struct {
	Delivery Delivery       `json:"delivery"`
	Attempts []Attempt      `json:"attempts"`
	Body     jsontext.Value `json:"body"`
}
