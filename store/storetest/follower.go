package storetest

import (
	"errors"

	"github.com/farebox/farebox/store"
	"github.com/farebox/farebox/usage"
)

var followerTests = []test{
	{"comes back as it was put", followerComesBack},
	{"is nobody before it is put, and after it is deleted", followerIsNobody},
	{"stays where it was when the transaction fails", followerStays},
	{"is among all of them", followersByName},
}

func (b *books) followerIs(name string, want *store.Follower) {
	b.Helper()
	b.view(func(r store.Reader) error {
		got, err := r.Follower(name)
		b.same("follower "+name, got, want)
		return err
	})
}

func (b *books) putFollower(f store.Follower) {
	b.Helper()
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.PutFollower(f) }))
}

func followerComesBack(b *books) {
	first := store.Follower{Name: "fold", Position: usage.Position{Commit: 1 << 40, Receipt: 1023, Event: 7}, Body: []byte("\x00{}")}
	other := store.Follower{Name: "alerts"}
	b.putFollower(first)
	b.putFollower(other)
	b.followerIs("fold", &first)
	b.followerIs("alerts", &other)
	first.Position, first.Body = usage.Position{Commit: 2}, []byte("next")
	b.putFollower(first)
	for range 2 {
		b.followerIs("fold", &first)
		b.followerIs("alerts", &other)
		b.reopen()
	}
}

func followerIsNobody(b *books) {
	b.followerIs("fold", nil)
	b.putFollower(store.Follower{Name: "fold", Body: []byte("x")})
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteFollower("fold") }))
	b.followerIs("fold", nil)
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteFollower("fold") }))
}

func followerStays(b *books) {
	was := store.Follower{Name: "fold", Position: usage.Position{Commit: 3}, Body: []byte("x")}
	b.putFollower(was)
	failed := errors.New("no")
	err := b.Change(ctx, func(tx store.Tx) error {
		b.must(tx.PutFollower(store.Follower{Name: "fold", Position: usage.Position{Commit: 4}}))
		return failed
	})
	if !errors.Is(err, failed) {
		b.Errorf("Change returned %v", err)
	}
	b.followerIs("fold", &was)
}

func followersByName(b *books) {
	var want []store.Follower
	for _, name := range []string{"fold", "alerts", "z"} {
		b.putFollower(store.Follower{Name: name, Position: usage.Position{Commit: int64(len(name))}, Body: []byte(name)})
	}
	b.must(b.Change(ctx, func(tx store.Tx) error { return tx.DeleteFollower("z") }))
	for _, name := range []string{"alerts", "fold"} {
		want = append(want, store.Follower{Name: name, Position: usage.Position{Commit: int64(len(name))}, Body: []byte(name)})
	}
	b.view(func(r store.Reader) error {
		got, err := r.Followers()
		b.same("all followers", got, want)
		return err
	})
}
