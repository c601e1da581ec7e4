// Command write makes a database with many usage events, for measurements:
//
//	go run ./test/bigfile/write -db /tmp/big.db -events 10000000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/farebox/farebox/store/sqlite"
	"github.com/farebox/farebox/test/bigfile"
)

func main() {
	o := bigfile.Default()
	db := flag.String("db", "", "the new database")
	flag.Int64Var(&o.Events, "events", o.Events, "how many usage events")
	flag.IntVar(&o.Instances, "instances", o.Instances, "how many instances, each of an account of its own")
	flag.IntVar(&o.Days, "days", o.Days, "how many days they are spread over")
	flag.Uint64Var(&o.Seed, "seed", o.Seed, "another seed makes other books")
	flag.Func("until", "the day that follows the last of them (default "+o.Until.Format(time.DateOnly)+")", func(text string) (err error) {
		o.Until, err = time.Parse(time.DateOnly, text)
		return err
	})
	flag.Parse()
	if err := write(*db, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(db string, o bigfile.Options) error {
	if _, err := os.Stat(db); db == "" || err == nil {
		return fmt.Errorf("-db must name a file that is not there yet, and is %q", db)
	}
	s, err := sqlite.Open(db, sqlite.Options{Create: true, Serve: true})
	if err != nil {
		return err
	}
	started := time.Now()
	made, err := bigfile.Write(context.Background(), s, o, nil)
	if err != nil {
		return err
	}
	fmt.Printf("%d requests, %d events, %d of them denials, in %s\n", made.Requests, made.Events, made.Denials, time.Since(started).Round(time.Millisecond))
	return s.Close()
}
