package main

import (
	"context"
	"errors"
	"fmt"
)

type backupCmd struct {
	File     string `arg:"" help:"The copy; it must not exist yet."`
	database `embed:""`
}

// Help adds to --help.
func (*backupCmd) Help() string {
	return `The copy is consistent while the server goes on charging, and is a database of its own: verify it, or serve it.

  farebox backup ./farebox-$(date +%F).db && farebox verify --db ./farebox-$(date +%F).db`
}

// Run is the verb.
func (cmd *backupCmd) Run() error {
	if cmd.File == string(standard) {
		return usageError("FILE names the copy: a database is not written to the standard output")
	}
	s, err := cmd.open(opening{})
	if err != nil {
		return err
	}
	if err := errors.Join(s.Backup(context.Background(), cmd.File), s.Close()); err != nil {
		return err
	}
	fmt.Println(cmd.File)
	return nil
}
