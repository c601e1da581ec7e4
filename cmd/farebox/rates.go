package main

type ratesCmd struct{}
