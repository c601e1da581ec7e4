package main

import (
	"strings"
	"testing"
)

// What a server tells of its database is no way into it.
func TestAboutKeepsSecrets(t *testing.T) {
	for db, want := range map[string]string{
		"postgres://farebox:hidden@db.example:5433/books?sslpassword=hidden&options=hidden": "postgres postgres://farebox@db.example:5433/books",
		"postgresql://farebox@db.example/books?password=hidden":                             "postgres postgres://farebox@db.example:5432/books",
		"postgres://farebox:hidden@db.example:port/books":                                   "postgres the database",
		"./farebox.db": "sqlite ./farebox.db",
	} {
		got := aboutServer(db, 7)
		if told := got.Store + " " + got.Database; told != want || strings.Contains(told, "hidden") {
			t.Errorf("of %s it tells %s, want %s", db, told, want)
		}
		if got.Version == "" || got.StartedMS != 7 {
			t.Errorf("of %s it tells %+v", db, got)
		}
	}
}
