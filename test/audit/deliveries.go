package audit

import "fmt"

// Deliveries holds what receivers of webhooks got to what the log says was told: everything goes to all who want it, in one delivery each, which
// is taken at last, or given up by the rules.
type Deliveries struct {
	notices  map[string]bool      // by id: whether it fired
	of       map[[2]string]string // deliveries, by notice and webhook
	is       map[string]*Delivery // as they were seen last
	bodies   map[string]string    // what was sent, by message
	taken    map[string]bool      // messages
	wants    map[string]func(fired bool) bool
	complain []string
	Seen     map[string]int
}

// Delivery is one as the product shows it.
type Delivery struct {
	ID, Webhook, Message, Notice, State, Payload string
	Attempts                                     []int64 // when they began
	Status                                       int     // of the last
}

// NewDeliveries returns an auditor of webhooks that are there from the beginning, and what each wants.
func NewDeliveries(wants map[string]func(fired bool) bool) *Deliveries {
	return &Deliveries{
		notices: map[string]bool{}, of: map[[2]string]string{}, is: map[string]*Delivery{}, bodies: map[string]string{}, taken: map[string]bool{},
		wants: wants, Seen: map[string]int{},
	}
}

func (d *Deliveries) wrong(format string, args ...any) {
	d.complain = append(d.complain, fmt.Sprintf(format, args...))
}

// Noticed tells of an entry of the log.
func (d *Deliveries) Noticed(id string, fired bool) {
	if _, again := d.notices[id]; again {
		d.wrong("notice %s is in the log twice", id)
	}
	d.notices[id] = fired
}

// Received tells of a message that came to a receiver, and whether it was taken.
func (d *Deliveries) Received(message, body string, taken bool) {
	if first, again := d.bodies[message]; again && first != body {
		d.wrong("message %s was\n%s\nand is\n%s", message, first, body)
	}
	d.bodies[message] = body
	d.taken[message] = d.taken[message] || taken
}

// Shown tells of a delivery as it stands.
func (d *Deliveries) Shown(is *Delivery) {
	key := [2]string{is.Notice, is.Webhook}
	switch other, again := d.of[key]; {
	case again && other != is.ID:
		d.wrong("notice %s goes to %s in %s and in %s", is.Notice, is.Webhook, other, is.ID)
	case !again:
		d.of[key] = is.ID
	}
	if _, told := d.notices[is.Notice]; !told {
		d.wrong("delivery %s is of notice %q, which is not in the log", is.ID, is.Notice)
	}
	was := d.is[is.ID]
	d.is[is.ID] = is
	if was != nil && was.State == is.State {
		return
	}
	d.Seen["delivery "+is.State]++
	switch last := len(is.Attempts) - 1; is.State {
	case "DELIVERED":
		if !d.taken[is.Message] {
			d.wrong("delivery %s is delivered, and nobody took it", is.ID)
		}
	case "FAILED":
		const days = 3*2*halfDay - 60_000 // an attempt takes a while
		if is.Status != 410 && (last < 0 || is.Attempts[last]-is.Attempts[0] < days) {
			d.wrong("delivery %s is given up after attempts at %v", is.ID, is.Attempts)
		}
	}
}

// Complaints returns what is wrong; at the end of all, when everything that is due has been sent to receivers that take it.
func (d *Deliveries) Complaints(end bool) []string {
	for message, body := range d.bodies {
		id := message[len("msg_"):]
		if is := d.is[id]; is == nil || is.Payload != body {
			d.wrong("message %s was sent, and is no delivery's:\n%s", message, body)
		}
	}
	for notice, fired := range d.notices {
		for hook, wants := range d.wants {
			if _, goes := d.of[[2]string{notice, hook}]; goes != wants(fired) {
				d.wrong("notice %s (fired: %t) goes to %s: %t", notice, fired, hook, goes)
			}
		}
	}
	for id, is := range d.is {
		if end && is.State == "PENDING" {
			d.wrong("delivery %s still waits after attempts at %v", id, is.Attempts)
		}
	}
	return d.complain
}
