// Package storetest is the suite that every store runs: one test for each sentence of the contract in package store. A store
// calls Run in one line and adds tests of what is its own.
package storetest

import (
	"context"
	"testing"

	"github.com/farebox/farebox/store"
)

// Harness is one empty database, and the ways into it.
type Harness struct {
	// Open opens the database; the first call makes it. A call while another handle is open gives what a second process
	// would have, and a call after all are closed what a restart would. The suite closes what it opens.
	Open func(t *testing.T) store.Store

	// OpenBackup opens a file that Backup has written, as a database of its own. Nil: this store makes no backups in files.
	OpenBackup func(t *testing.T, file string) store.Store
}

// Run runs the whole suite; each test has a harness, and so a database, of its own.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, suite := range []struct {
		name  string
		tests []test
	}{
		{"Commit", commitTests},
		{"Change", changeTests},
		{"View", viewTests},
		{"Instance", instanceTests},
		{"LineItem", lineItemTests},
		{"Settings", settingsTests},
		{"Session", sessionTests},
		{"Due", dueTests},
		{"Failure", failureTests},
		{"Cover", coverTests},
		{"Hold", holdTests},
		{"Lease", leaseTests},
		{"Consumption", consumptionTests},
		{"Action", actionTests},
		{"Condition", conditionTests},
		{"Pack", packTests},
		{"Sale", saleTests},
		{"LineItemChange", lineItemChangeTests},
		{"Follower", followerTests},
		{"Removed", removedTests},
		{"Alert", alertTests},
		{"Webhook", webhookTests},
		{"AutoTopUp", topUpTests},
		{"Bucket", bucketTests},
		{"Clock", clockTests},
		{"Receipts", receiptTests},
		{"Receipt", receiptTestsByID},
		{"Given", givenTests},
		{"Once", onceTests},
		{"Forget", forgetTests},
		{"Handles", handleTests},
		{"Reopen", reopenTests},
		{"Concurrency", concurrencyTests},
		{"Backup", backupTests},
	} {
		t.Run(suite.name, func(t *testing.T) {
			for _, test := range suite.tests {
				t.Run(test.promise, func(t *testing.T) {
					t.Parallel()
					test.check(newBooks(t, open(t)))
				})
			}
		})
	}
}

// test holds a store to one promise.
type test struct {
	promise string
	check   func(*books)
}

var ctx = context.Background()
