package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"github.com/farebox/farebox/engine"
	"github.com/farebox/farebox/export"
)

// outFlags say where usage events go while the server runs.
type outFlags struct {
	ExportTo []string `help:"Write each day's usage events there as Parquet when it is over (UTC): file:///FOLDER or s3://BUCKET/FOLDER?region=REGION; may be repeated. See docs/EXPORT.md." placeholder:"URL" sep:" " env:"FAREBOX_EXPORT_TO"`
	EventsTo []string `help:"Send usage events there as CloudEvents, as they happen: https://HOST/PATH, nats://HOST/SUBJECT or kafka://HOST/TOPIC; may be repeated. See docs/EXPORT.md." placeholder:"URL" sep:" " env:"FAREBOX_EVENTS_TO"`
}

// outlets are the targets of a server, open.
type outlets struct {
	buckets map[string]*export.Bucket
	senders map[string]export.Sender
}

// open opens all targets. Whether they can be reached is no matter yet: that is tried again and again.
func (f *outFlags) open(ctx context.Context) (*outlets, error) {
	o := &outlets{map[string]*export.Bucket{}, map[string]export.Sender{}}
	for _, target := range f.ExportTo {
		name, err := targetName(target)
		if err == nil && o.buckets[name] != nil {
			err = twice(name)
		}
		if err == nil {
			o.buckets[name], err = export.OpenBucket(ctx, target)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--export-to: %w", err), o.close())
		}
	}
	for _, target := range f.EventsTo {
		name, err := targetName(target)
		if err == nil && o.senders[name] != nil {
			err = twice(name)
		}
		if err == nil {
			o.senders[name], err = export.OpenSender(target)
		}
		if err != nil {
			return nil, errors.Join(usageError(fmt.Sprintf("--events-to: %v", err)), o.close()) // nothing is connected to yet
		}
	}
	return o, nil
}

func targetName(target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", errors.New("this is not a URL") // which err would repeat, with secrets
	}
	return export.Name(u), nil
}

// twice refuses targets that are told apart by what is kept out of their names alone, and so would share what is remembered.
func twice(name string) error { return fmt.Errorf("%s is there twice", name) }

// follow has all targets follow the record until ctx ends, and returns a function that waits for their end.
func (o *outlets) follow(ctx context.Context, e *engine.Engine) (wait func()) {
	var running sync.WaitGroup
	var names []string
	for name, bucket := range o.buckets {
		days := &export.Days{Bucket: bucket, Format: export.Parquet}
		running.Go(func() { e.Follow(ctx, days.Follower("export-to "+name, e.Now)) })
		names = append(names, "export-to "+name)
	}
	for name, sender := range o.senders {
		running.Go(func() { e.Follow(ctx, export.Feed("events-to "+name, sender)) })
		names = append(names, "events-to "+name)
	}
	if len(o.buckets) > 0 { // what is removed is kept in files
		running.Go(func() { e.KeepRetained(ctx, names) })
	}
	return running.Wait
}

func (o *outlets) close() error {
	var all []error
	for _, b := range o.buckets {
		if b != nil {
			all = append(all, b.Close())
		}
	}
	for _, s := range o.senders {
		if s != nil {
			all = append(all, s.Close())
		}
	}
	return errors.Join(all...)
}
