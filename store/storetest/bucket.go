package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var bucketTests = []test{
	{"comes back as it was inserted, with the columns asked for", bucketComesBack},
	{"is listed in the order of the record, whatever order it came in", bucketsInOrder},
	{"is listed if it can have events of the time asked for", bucketsOfATime},
	{"is gone with its columns when deleted, and its number is given to no other", bucketGone},
	{"is replaced whole or not at all", bucketReplaced},
}

func bucket(commit, fromMS, lastMS int64) *usage.Bucket {
	return &usage.Bucket{
		Header: usage.BucketHeader{
			Level: 2, From: usage.Position{Commit: commit}, Next: usage.Position{Commit: commit + 1, Receipt: 3}, FromMS: fromMS, LastMS: lastMS,
			Rows: 7, Keys: []usage.Dimension{"metadata.a"}, Wide: []usage.Dimension{"dictionary.b", "metadata.ü"},
		},
		Columns: map[string][]byte{"tokens": fmt.Appendf(nil, "tokens of %d\x00\xff", commit), "item": {1}, "metadata.a": []byte("a")},
	}
}

func (b *books) insertBucket(is *usage.Bucket) *usage.Bucket {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.InsertBucket(is) }))
	return is
}

// buckets returns those of a time by the commits that they begin at.
func (b *books) buckets(fromMS, toMS int64) (commits []int64) {
	b.Helper()
	b.view(func(r store.Reader) error {
		all, err := r.Buckets(fromMS, toMS)
		for i := range all {
			commits = append(commits, all[i].From.Commit)
		}
		return err
	})
	return commits
}

func (b *books) bucketColumns(number int64, names ...string) (columns map[string][]byte) {
	b.Helper()
	b.view(func(r store.Reader) (err error) {
		columns, err = r.BucketColumns(number, names)
		return err
	})
	return columns
}

func bucketComesBack(b *books) {
	is := b.insertBucket(bucket(5, 1000, 2000))
	other := b.insertBucket(bucket(6, 1000, 2000))
	if is.Header.Number == other.Header.Number {
		b.Errorf("two buckets have the number %d", is.Header.Number)
	}
	for range 2 {
		b.view(func(r store.Reader) error {
			all, err := r.Buckets(0, 0)
			b.same("the headers", all, []usage.BucketHeader{is.Header, other.Header})
			return err
		})
		b.same("all columns", b.bucketColumns(is.Header.Number, is.Header.ColumnNames()...), is.Columns)
		b.same("a column, and one that is not there", b.bucketColumns(other.Header.Number, "tokens", "count"), map[string][]byte{"tokens": other.Columns["tokens"]})
		b.same("no columns", len(b.bucketColumns(is.Header.Number)), 0)
		b.same("the columns of no bucket", len(b.bucketColumns(is.Header.Number+1000, "tokens")), 0)
		b.reopen()
	}
}

func bucketsInOrder(b *books) {
	for _, commit := range []int64{30, 10, 1 << 40, 20} {
		b.insertBucket(bucket(commit, 5000-commit%100, 9000))
	}
	later := bucket(10, 5000, 9000)
	later.Header.From.Receipt = 4
	b.insertBucket(later)
	b.same("the order", b.buckets(0, 0), []int64{10, 10, 20, 30, 1 << 40})
}

func bucketsOfATime(b *books) {
	b.insertBucket(bucket(1, 1000, 2000))
	b.insertBucket(bucket(2, 2001, 3000))
	b.insertBucket(bucket(3, 500, 9000)) // of charges that were made late
	for _, c := range []struct {
		fromMS, toMS int64
		want         []int64
	}{
		{0, 0, []int64{1, 2, 3}}, {2000, 0, []int64{1, 2, 3}}, {2001, 0, []int64{2, 3}}, {3001, 0, []int64{3}}, {9001, 0, nil},
		{0, 1000, []int64{3}}, {0, 1001, []int64{1, 3}}, {0, 500, nil}, {2000, 2001, []int64{1, 3}}, {2000, 2002, []int64{1, 2, 3}},
	} {
		b.same(fmt.Sprint("from ", c.fromMS, " to ", c.toMS), b.buckets(c.fromMS, c.toMS), c.want)
	}
}

func bucketGone(b *books) {
	first, last := b.insertBucket(bucket(1, 1000, 2000)), b.insertBucket(bucket(2, 1000, 2000))
	for _, is := range []*usage.Bucket{last, first} {
		b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteBucket(is.Header.Number) }))
		b.same("the columns of one that was deleted", len(b.bucketColumns(is.Header.Number, "tokens", "item")), 0)
	}
	b.same("those that are left", b.buckets(0, 0), []int64(nil))
	b.reopen()
	if again := b.insertBucket(bucket(3, 1000, 2000)).Header.Number; again == first.Header.Number || again == last.Header.Number {
		b.Errorf("a new bucket has the number %d of one that was deleted", again)
	}
}

func bucketReplaced(b *books) {
	is := b.insertBucket(bucket(1, 1000, 2000))
	failed := errors.New("no")
	err := b.Change(ctx, func(tx store.Tx) error {
		b.must(tx.DeleteBucket(is.Header.Number))
		b.must(tx.InsertBucket(bucket(2, 1000, 2000)))
		there, err := tx.Buckets(0, 0)
		if b.must(err); len(there) != 1 || there[0].From.Commit != 2 {
			b.Errorf("the transaction sees %v", there)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		b.Errorf("Change returned %v", err)
	}
	b.same("the buckets", b.buckets(0, 0), []int64{1})
	b.same("the columns", slices.Sorted(maps.Keys(b.bucketColumns(is.Header.Number, "item", "tokens"))), []string{"item", "tokens"})
}
