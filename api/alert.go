package api

import "github.com/farebox/farebox/notify"

// Alerts are all alert rules.
type Alerts struct {
	Alerts []*notify.Rule `json:"alerts"`
}

// AlertsFired is a page of the log of alerts that fired or were resolved, newest first. Next is where to go on; it is left out on the last
// page.
type AlertsFired struct {
	Fired []*notify.Notice `json:"fired"`
	Next  int64            `json:"next,omitzero"`
}
