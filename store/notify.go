package store

import "github.com/farebox/farebox/ledger"

// Alert is a rule by which alerts fire. Body is JSON, the engine's.
type Alert struct {
	Name       string
	CreatedMS  int64
	ModifiedMS int64
	Body       []byte
}

// AlertState is what an alert remembers of a subject: a line item, a requester, an instance. There is none of most.
type AlertState struct {
	Subject string // the engine's name for it
	Alert   string
	DueMS   int64  // when it has to be looked at again; 0: never
	Body    []byte // JSON, the engine's
}

// AlertFired is an entry of the log of alerts that fired or were over. Body is JSON, the engine's.
type AlertFired struct {
	Number     int64 // the store's name for it; later ones are higher
	ID         string
	AccountID  string
	InstanceID string
	TimeMS     int64
	Body       []byte
}

// Webhook is where events are sent to. Body is JSON, the engine's, and has secrets in it.
type Webhook struct {
	ID         string
	CreatedMS  int64
	ModifiedMS int64
	Body       []byte
}

// Delivery is one event on its way to one webhook. Body is JSON, the engine's.
type Delivery struct {
	Number    int64 // the store's name for it; later ones are higher
	ID        string
	WebhookID string
	CreatedMS int64
	DueMS     int64 // when it is next to be sent, or until when somebody has claimed it; 0: never
	Body      []byte
}

// Attempt is one try to send a delivery. Body is JSON, the engine's.
type Attempt struct {
	DeliveryID string
	TimeMS     int64
	Body       []byte
}

// AutoTopUp is the automatic top-up of a line item. Body is JSON, the engine's.
type AutoTopUp struct {
	LineItem int64 // its number
	DueMS    int64 // when it has to be looked at again; 0: never
	Body     []byte
}

// Told is a change of a line item with its place in the record.
type Told struct {
	LineItemChange       // with the use at that time
	Number         int64 // the store's name for the change; later ones are higher
	After          int64 // the commit that it came after: later ones come after it
}

// NoticeReader reads what alerts and webhooks need. What does not exist is nil, not an error.
type NoticeReader interface {
	Alert(name string) (*Alert, error)
	Alerts() ([]Alert, error) // by name
	// AlertStates returns what is remembered of subjects, by subject and alert.
	AlertStates(subjects ...string) ([]AlertState, error)
	// AlertStatesFrom returns what is remembered of subjects that begin so, by subject and alert, after a subject (empty: from the first).
	AlertStatesFrom(prefix, afterSubject string, limit int) ([]AlertState, error)
	// DueAlertStates returns those that are due by a time, the ones due first in front.
	DueAlertStates(byMS int64, limit int) ([]AlertState, error)
	// AlertsFired returns entries of the log, newest first, from before a number on (0: from the newest); of one account and one
	// instance, unless those are empty.
	AlertsFired(accountID, instanceID string, beforeNumber int64, limit int) ([]AlertFired, error)

	// LastCommit returns the number of the newest commit; 0: there is none.
	LastCommit() (int64, error)
	// ToldAfter returns the changes of line items after a change, in order, and LastTold the number of the newest one.
	ToldAfter(number int64, limit int) ([]Told, error)
	LastTold() (int64, error)
	// ToldBy returns how a line item was last told to be before a commit.
	ToldBy(lineItem, commit int64) (*Told, error)
	// ToldBefore returns how a line item was told to be before a change.
	ToldBefore(lineItem, number int64) (*Told, error)
	// LineItemsFrom returns line items by number, from after one on, and LineItemsEnding those that end after a time (or, at that
	// time, have a number after one) and by another, in the order of their end. Deleted ones are left out. Neither has actions.
	LineItemsFrom(afterNumber int64, limit int) ([]*ledger.LineItem, error)
	LineItemsEnding(fromMS, afterNumber, byMS int64, limit int) ([]*ledger.LineItem, error)

	AutoTopUp(lineItem int64) (*AutoTopUp, error)
	// AutoTopUps returns those of line items with higher numbers than one, by number, and DueAutoTopUps those that are due by a time, the ones due
	// first in front.
	AutoTopUps(afterLineItem int64, limit int) ([]AutoTopUp, error)
	DueAutoTopUps(byMS int64, limit int) ([]AutoTopUp, error)

	Webhook(id string) (*Webhook, error)
	Webhooks() ([]Webhook, error) // in the order in which they were made
	Delivery(id string) (*Delivery, error)
	// Deliveries returns those to a webhook, newest first, from before a number on (0: from the newest).
	Deliveries(webhookID string, beforeNumber int64, limit int) ([]Delivery, error)
	// DueDeliveries returns those to a webhook that are due by a time, the ones due first in front.
	DueDeliveries(webhookID string, byMS int64, limit int) ([]Delivery, error)
	Attempts(deliveryID string) ([]Attempt, error) // in order
}

// NoticeWriter writes what alerts and webhooks need.
type NoticeWriter interface {
	PutAlert(Alert) error
	// DeleteAlert forgets an alert and all that it remembers; what it has logged stays.
	DeleteAlert(name string) error
	// ForgetAlertStates forgets all that an alert remembers.
	ForgetAlertStates(name string) error
	PutAlertState(AlertState) error
	DeleteAlertState(subject, alert string) error
	InsertAlertFired(*AlertFired) error // sets Number
	// ForgetAlertsFired drops entries of the log from its old end, made before a time, at most so many, and returns how many.
	ForgetAlertsFired(beforeMS int64, most int) (int, error)

	PutAutoTopUp(AutoTopUp) error
	DeleteAutoTopUp(lineItem int64) error // which there may be none of

	PutWebhook(Webhook) error
	// DeleteWebhook deletes a webhook with all its deliveries.
	DeleteWebhook(id string) error
	InsertDelivery(*Delivery) error // sets Number
	PutDelivery(*Delivery) error    // changes DueMS and Body
	InsertAttempt(Attempt) error
	// ForgetDeliveries drops deliveries made before a time that are not due any more, at most so many, and returns how many.
	ForgetDeliveries(beforeMS int64, most int) (int, error)
}
