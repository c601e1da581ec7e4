package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/farebox/farebox/engine"
)

type verifyCmd struct {
	database `embed:""`
}

// Help adds to --help.
func (*verifyCmd) Help() string {
	return `Works on a copy or on the live file; nothing is changed. Ends with 0 only if all balances agree.
Receipts that usage.retention has removed are vouched for by what they came to, the opening state; then it says how many.

  farebox verify --db ./farebox.db`
}

// Run is the verb.
func (cmd *verifyCmd) Run() error {
	s, err := cmd.open(opening{read: true})
	if err != nil {
		return err
	}
	proof, err := engine.Verify(context.Background(), s)
	if err = errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("%s could not be read to its end: %w", shown(cmd.DB), err)
	}
	for _, line := range proof.Differences {
		fmt.Println(line)
	}
	if proof.More > 0 {
		fmt.Printf("… and %d more\n", proof.More)
	}
	fmt.Println(summary(proof))
	if proof.Opened > 0 {
		fmt.Printf("%d receipts before %s by the opening state\n", proof.Opened, time.UnixMilli(proof.OpenedMS).UTC().Format("2006-01-02T15:04:05.999Z07:00"))
	}
	if n := len(proof.Differences) + proof.More; n > 0 {
		return fmt.Errorf("%d differences", n)
	}
	fmt.Println("all balances agree")
	return nil
}

// summary says in a line what was verified.
func summary(p *engine.Proof) string {
	holds := "" // most have none
	if p.Holds > p.Leases {
		holds = fmt.Sprintf("%d holds, ", p.Holds-p.Leases)
	}
	if p.Leases > 0 {
		holds += fmt.Sprintf("%d leases, ", p.Leases)
	}
	return fmt.Sprintf("%d line items, %d sessions, %s%d receipts, %d usage events, %s tokens used", p.LineItems, p.Sessions, holds, p.Receipts, p.Events, p.Used)
}
