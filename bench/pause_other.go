//go:build !linux

package bench

import "time"

type sleep struct{}

func newPause() (pause, error) { return sleep{}, nil }

func (sleep) until(at time.Time) { time.Sleep(time.Until(at)) }
func (sleep) close()             {}
