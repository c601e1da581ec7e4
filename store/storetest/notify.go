package storetest

import (
	"errors"
	"fmt"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/store"
)

var alertTests = []test{
	{"comes back as it was put, by name", alertsComeBack},
	{"takes what it remembers with it when it is deleted", deletesAlerts},
	{"remembers by subject, and finds what is due", alertStates},
	{"goes round what is remembered of subjects that begin the same", roundAlertStates},
	{"logs newest first, by account and instance, page by page", logsAlerts},
	{"forgets the old end of its log", forgetsAlerts},
	{"leaves nothing behind when its change fails", alertsUndone},
	{"finds line items by number and by their end", findsLineItems},
	{"keeps changes of line items among the commits, with the use they came at", tellsInOrder},
}

var webhookTests = []test{
	{"comes back as it was put, in the order they were made", webhooksComeBack},
	{"lists deliveries newest first, and finds those that are due", listsDeliveries},
	{"takes its deliveries and their attempts with it", deletesWebhooks},
	{"forgets deliveries that are over, and no others", forgetsDeliveries},
}

func (b *books) tx(fn func(store.Tx) error) {
	b.Helper()
	b.must(b.Change(ctx, fn))
}

func alertsComeBack(b *books) {
	odd := store.Alert{Name: "Ünïque \"<name>\" %_*", CreatedMS: dawnMS, ModifiedMS: dawnMS + 1, Body: []byte(`{"a" : [1.50]}`)}
	other := store.Alert{Name: "B", CreatedMS: 1, ModifiedMS: 2, Body: []byte("{}")}
	b.tx(func(tx store.Tx) error { return tx.PutAlert(odd) })
	b.tx(func(tx store.Tx) error { return tx.PutAlert(store.Alert{Name: "B", Body: []byte("[]")}) })
	b.tx(func(tx store.Tx) error { return tx.PutAlert(other) })
	for range 2 {
		b.view(func(r store.Reader) error {
			all, err := r.Alerts()
			b.same("the alerts", all, []store.Alert{other, odd})
			b.must(err)
			one, err := r.Alert(odd.Name)
			b.same("the alert", one, &odd)
			b.must(err)
			none, err := r.Alert("b")
			b.same("an alert of another name", none, (*store.Alert)(nil))
			return err
		})
		b.reopen()
	}
}

func deletesAlerts(b *books) {
	b.tx(func(tx store.Tx) error {
		for _, name := range []string{"a", "b"} {
			b.must(tx.PutAlert(store.Alert{Name: name}))
			b.must(tx.PutAlertState(store.AlertState{Subject: "s", Alert: name, DueMS: 5, Body: []byte("{}")}))
		}
		return tx.DeleteAlert("a")
	})
	b.view(func(r store.Reader) error {
		all, err := r.AlertStates("s")
		b.same("what is remembered", all, []store.AlertState{{Subject: "s", Alert: "b", DueMS: 5, Body: []byte("{}")}})
		return err
	})
	b.tx(func(tx store.Tx) error { return tx.ForgetAlertStates("b") })
	b.view(func(r store.Reader) error {
		all, err := r.AlertStates("s")
		b.same("what is remembered", all, []store.AlertState{})
		one, err2 := r.Alert("b")
		if one == nil {
			b.Error("the alert went with what it remembered")
		}
		b.must(err2)
		return err
	})
}

func alertStates(b *books) {
	state := func(subject, alert string, dueMS int64) store.AlertState {
		return store.AlertState{Subject: subject, Alert: alert, DueMS: dueMS, Body: []byte(`{"fired":true}`)}
	}
	b.tx(func(tx store.Tx) error {
		for _, s := range []store.AlertState{state("x", "b", 30), state("x", "a", 0), state("y", "a", 10), state("y", "b", 20), state("y", "b", 40)} {
			b.must(tx.PutAlertState(s))
		}
		return tx.DeleteAlertState("y", "nobody")
	})
	for range 2 {
		b.view(func(r store.Reader) error {
			of, err := r.AlertStates("x")
			b.same("what is remembered of x", of, []store.AlertState{state("x", "a", 0), state("x", "b", 30)})
			b.must(err)
			of, err = r.AlertStates("y", "nobody", "x")
			b.same("what is remembered of x and y", of, []store.AlertState{state("x", "a", 0), state("x", "b", 30), state("y", "a", 10), state("y", "b", 40)})
			b.must(err)
			due, err := r.DueAlertStates(30, 10)
			b.same("what is due", due, []store.AlertState{state("y", "a", 10), state("x", "b", 30)})
			b.must(err)
			due, err = r.DueAlertStates(100, 1)
			b.same("what is due first", due, []store.AlertState{state("y", "a", 10)})
			return err
		})
		b.reopen()
	}
	b.tx(func(tx store.Tx) error { return tx.DeleteAlertState("y", "a") })
	b.view(func(r store.Reader) error {
		due, err := r.DueAlertStates(10, 10)
		b.same("what is due", due, []store.AlertState{})
		return err
	})
}

func roundAlertStates(b *books) {
	b.tx(func(tx store.Tx) error {
		for _, subject := range []string{"a:", "a:1", "a:2", "a:\u00fc", "a", "b:1", ""} {
			b.must(tx.PutAlertState(store.AlertState{Subject: subject, Alert: "y", Body: []byte("{}")}))
			b.must(tx.PutAlertState(store.AlertState{Subject: subject, Alert: "x", Body: []byte("{}")}))
		}
		return nil
	})
	b.view(func(r store.Reader) error {
		for after, want := range map[string]string{"": "a: x, a: y, a:1 x, ", "a:1": "a:2 x, a:2 y, a:\u00fc x, ", "a:\u00fc": "", "a:2": "a:\u00fc x, a:\u00fc y, "} {
			all, err := r.AlertStatesFrom("a:", after, 3)
			got := ""
			for i := range all {
				got += all[i].Subject + " " + all[i].Alert + ", "
			}
			b.same("after "+after, got, want)
			b.must(err)
		}
		return nil
	})
}

func logsAlerts(b *books) {
	all := []store.AlertFired{
		{ID: "1", AccountID: "a", InstanceID: "i", TimeMS: 3, Body: []byte("1")}, {ID: "2", AccountID: "b", InstanceID: "j", TimeMS: 2, Body: []byte("2")},
		{ID: "3", AccountID: "a", InstanceID: "k", TimeMS: 1, Body: []byte("3")},
	}
	b.tx(func(tx store.Tx) error {
		for i := range all {
			b.must(tx.InsertAlertFired(&all[i]))
		}
		return nil
	})
	for range 2 {
		b.view(func(r store.Reader) error {
			for _, c := range []struct {
				account, instance string
				before            int64
				limit             int
				want              []store.AlertFired
			}{
				{"", "", 0, 10, []store.AlertFired{all[2], all[1], all[0]}},
				{"", "", 0, 2, []store.AlertFired{all[2], all[1]}},
				{"", "", all[1].Number, 2, []store.AlertFired{all[0]}},
				{"a", "", 0, 10, []store.AlertFired{all[2], all[0]}},
				{"", "j", 0, 10, []store.AlertFired{all[1]}},
				{"a", "j", 0, 10, []store.AlertFired{}},
			} {
				got, err := r.AlertsFired(c.account, c.instance, c.before, c.limit)
				b.same("the log", got, c.want)
				b.must(err)
			}
			return nil
		})
		b.reopen()
	}
}

func forgetsAlerts(b *books) {
	b.tx(func(tx store.Tx) error {
		for i, timeMS := range []int64{1, 2, 1, 3, 4} {
			b.must(tx.InsertAlertFired(&store.AlertFired{ID: fmt.Sprint(i), TimeMS: timeMS, Body: []byte("{}")}))
		}
		return nil
	})
	for _, want := range []int{2, 1, 0} {
		b.tx(func(tx store.Tx) error {
			n, err := tx.ForgetAlertsFired(3, 2)
			b.same("how many went", n, want)
			return err
		})
	}
	for range 2 {
		b.view(func(r store.Reader) error {
			left, err := r.AlertsFired("", "", 0, 9)
			ids := ""
			for i := range left {
				ids += left[i].ID + " "
			}
			b.same("what is left", ids, "4 3 ")
			return err
		})
		b.reopen()
	}
}

func alertsUndone(b *books) {
	errUndo := errors.New("undo")
	err := b.Change(ctx, func(tx store.Tx) error {
		b.must(tx.PutAlert(store.Alert{Name: "a"}))
		b.must(tx.PutAlertState(store.AlertState{Subject: "s", Alert: "a", DueMS: 1}))
		b.must(tx.InsertAlertFired(&store.AlertFired{ID: "1"}))
		b.must(tx.InsertDelivery(&store.Delivery{ID: "d", WebhookID: "w", DueMS: 1}))
		return errUndo
	})
	if err != errUndo {
		b.Errorf("Change returned %v", err)
	}
	b.view(func(r store.Reader) error {
		alerts, err := r.Alerts()
		b.must(err)
		states, err := r.DueAlertStates(9, 9)
		b.must(err)
		log, err := r.AlertsFired("", "", 0, 9)
		b.must(err)
		due, err := r.DueDeliveries("w", 9, 9)
		if len(alerts)+len(states)+len(log)+len(due) > 0 {
			b.Errorf("left is %v %v %v %v", alerts, states, log, due)
		}
		return err
	})
}

func findsLineItems(b *books) {
	b.instance("A")
	ends := map[string]int64{"a": 50, "b": 30, "c": 40, "d": 40, "gone": 35}
	for _, id := range []string{"a", "b", "c", "d", "gone"} {
		b.tx(func(tx store.Tx) error {
			l := newLineItem("A", id)
			l.StartMS, l.EndMS, l.Deleted = 0, dawnMS+ends[id], id == "gone"
			return tx.PutLineItem(l)
		})
	}
	names := func(all []*ledger.LineItem) (names string) {
		for _, l := range all {
			names += l.ActivationID
		}
		return names
	}
	b.view(func(r store.Reader) error {
		from, err := r.LineItemsFrom(0, 3)
		b.same("by number", names(from), "abc")
		b.must(err)
		from, err = r.LineItemsFrom(from[1].Number, 3)
		b.same("from after one on", names(from), "cd")
		b.must(err)
		ending, err := r.LineItemsEnding(dawnMS+20, 0, dawnMS+45, 2)
		b.same("by their end", names(ending), "bc")
		b.must(err)
		ending, err = r.LineItemsEnding(ending[1].EndMS, ending[1].Number, dawnMS+50, 9)
		b.same("from after one on", names(ending), "da")
		return err
	})
}

func tellsInOrder(b *books) {
	b.instance("A")
	l := newLineItem("A", "a")
	tell := func(quantity int64) {
		b.tx(func(tx store.Tx) error {
			l.Quantity = quantity
			b.must(tx.PutLineItem(l))
			return tx.AddLineItemChange(store.LineItemChange{TimeMS: quantity, LineItem: l.Terms()})
		})
	}
	tell(100)
	b.commit(charge{instance: "A", lineItem: "a", tokens: "3"})
	tell(200)
	b.commit(charge{instance: "A", lineItem: "a", tokens: "4"})
	tell(300)
	for range 2 {
		b.view(func(r store.Reader) error {
			last, err := r.LastCommit()
			b.must(err)
			all, err := r.ToldAfter(0, 10)
			b.must(err)
			var after []int64
			var used []string
			for _, c := range all {
				after, used = append(after, last-c.After), append(used, c.LineItem.Used.String())
			}
			b.same("how many commits came after", after, []int64{2, 1, 0})
			b.same("the use", used, []string{"0", "3", "7"})
			rest, err := r.ToldAfter(all[0].Number, 1)
			b.same("the next one", rest, all[1:2])
			b.must(err)
			newest, err := r.LastTold()
			b.same("the last one", newest, all[2].Number)
			b.must(err)
			was, err := r.ToldBefore(all[1].LineItem.Number, all[1].Number)
			b.same("the one before", was, &all[0])
			b.must(err)
			none, err := r.ToldBefore(all[0].LineItem.Number, all[0].Number)
			b.same("before the first one", none, (*store.Told)(nil))
			b.must(err)
			for commit, want := range map[int64]int64{last - 1: 100, last: 200, last + 1: 300} {
				by, err := r.ToldBy(all[0].LineItem.Number, commit)
				b.must(err)
				b.same("as told by a commit", by.LineItem.Quantity, want)
			}
			return nil
		})
		b.reopen()
	}
}

func webhooksComeBack(b *books) {
	first := store.Webhook{ID: "z", CreatedMS: dawnMS, ModifiedMS: dawnMS + 1, Body: []byte(`{"secret" : "x"}`)}
	second := store.Webhook{ID: "a", CreatedMS: 1, ModifiedMS: 2, Body: []byte("{}")}
	for _, w := range []store.Webhook{{ID: "z"}, second, first} {
		b.tx(func(tx store.Tx) error { return tx.PutWebhook(w) })
	}
	for range 2 {
		b.view(func(r store.Reader) error {
			all, err := r.Webhooks()
			b.same("the webhooks", all, []store.Webhook{first, second})
			b.must(err)
			one, err := r.Webhook("a")
			b.same("the webhook", one, &second)
			b.must(err)
			none, err := r.Webhook("A")
			b.same("a webhook of another name", none, (*store.Webhook)(nil))
			return err
		})
		b.reopen()
	}
}

func (b *books) deliveries(all ...*store.Delivery) {
	b.Helper()
	b.tx(func(tx store.Tx) error {
		for _, d := range all {
			b.must(tx.InsertDelivery(d))
			b.must(tx.InsertAttempt(store.Attempt{DeliveryID: d.ID, TimeMS: 1, Body: []byte("1")}))
			b.must(tx.InsertAttempt(store.Attempt{DeliveryID: d.ID, TimeMS: 0, Body: []byte("2")}))
		}
		return nil
	})
}

func listsDeliveries(b *books) {
	one := &store.Delivery{ID: "1", WebhookID: "w", CreatedMS: 5, DueMS: 30, Body: []byte("{ }")}
	two := &store.Delivery{ID: "2", WebhookID: "w", CreatedMS: 4, DueMS: 20, Body: []byte("2")}
	three := &store.Delivery{ID: "3", WebhookID: "w", CreatedMS: 3, Body: []byte("3")}
	b.deliveries(one, two, three, &store.Delivery{ID: "4", WebhookID: "x", DueMS: 1, Body: []byte("4")})
	two.DueMS, two.Body = 31, []byte("two")
	b.tx(func(tx store.Tx) error { return tx.PutDelivery(two) })
	for range 2 {
		b.view(func(r store.Reader) error {
			all, err := r.Deliveries("w", 0, 2)
			b.same("the newest", all, []store.Delivery{*three, *two})
			b.must(err)
			all, err = r.Deliveries("w", two.Number, 2)
			b.same("those before", all, []store.Delivery{*one})
			b.must(err)
			for byMS, want := range map[int64][]store.Delivery{29: {}, 30: {*one}, 31: {*one, *two}} {
				due, err := r.DueDeliveries("w", byMS, 10)
				b.same("what is due", due, want)
				b.must(err)
			}
			got, err := r.Delivery("2")
			b.same("the delivery", got, two)
			b.must(err)
			attempts, err := r.Attempts("1")
			b.same("its attempts", attempts, []store.Attempt{{DeliveryID: "1", TimeMS: 1, Body: []byte("1")}, {DeliveryID: "1", Body: []byte("2")}})
			return err
		})
		b.reopen()
	}
}

func deletesWebhooks(b *books) {
	b.tx(func(tx store.Tx) error { return tx.PutWebhook(store.Webhook{ID: "w"}) })
	b.deliveries(&store.Delivery{ID: "1", WebhookID: "w", DueMS: 1}, &store.Delivery{ID: "2", WebhookID: "x", DueMS: 1})
	b.tx(func(tx store.Tx) error { return tx.DeleteWebhook("w") })
	b.view(func(r store.Reader) error {
		for id, want := range map[string]int{"1": 0, "2": 2} {
			attempts, err := r.Attempts(id)
			b.must(err)
			d, err := r.Delivery(id)
			b.must(err)
			if len(attempts) != want || (d != nil) != (want > 0) {
				b.Errorf("of %s there is %v with %d attempts", id, d, len(attempts))
			}
		}
		return nil
	})
}

func forgetsDeliveries(b *books) {
	b.deliveries(&store.Delivery{ID: "old", WebhookID: "w", CreatedMS: 1}, &store.Delivery{ID: "due", WebhookID: "w", CreatedMS: 1, DueMS: 1},
		&store.Delivery{ID: "older", WebhookID: "w"}, &store.Delivery{ID: "new", WebhookID: "w", CreatedMS: 2})
	for _, want := range []int{1, 1, 0} {
		b.tx(func(tx store.Tx) error {
			n, err := tx.ForgetDeliveries(2, 1)
			b.same("how many went", n, want)
			return err
		})
	}
	b.view(func(r store.Reader) error {
		all, err := r.Deliveries("w", 0, 10)
		ids := ""
		for _, d := range all {
			ids += d.ID + " "
		}
		b.same("what is left", ids, "new due ")
		return err
	})
}
