package main

type demoCmd struct{}

// Run is the verb.
func (*demoCmd) Run() error { return nil }
