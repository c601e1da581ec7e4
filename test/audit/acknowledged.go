package audit

import "fmt"

// Acknowledged holds the record to what callers were told, and to nothing else: whatever is lost on the way, a request counts once at most,
// and once if it was ever answered. Answers are texts; equal ones are the same answer.
type Acknowledged struct {
	sent      map[string]bool
	told      map[string]string // by idempotency key, with what it is a key of
	recorded  map[string]string // likewise
	complains []string
}

// NewAcknowledged returns an auditor of callers who have asked for nothing.
func NewAcknowledged() *Acknowledged {
	return &Acknowledged{sent: map[string]bool{}, told: map[string]string{}, recorded: map[string]string{}}
}

func (a *Acknowledged) complain(format string, args ...any) {
	a.complains = append(a.complains, fmt.Sprintf(format, args...))
}

// Sent tells that a request is made, for the first time.
func (a *Acknowledged) Sent(key string) { a.sent[key] = true }

// Told tells of an answer, the first one or one to a retry.
func (a *Acknowledged) Told(key, answer string) {
	if first, again := a.told[key]; again && first != answer {
		a.complain("request %s was answered\n%s\nand, when it was made again,\n%s", key, first, answer)
	}
	a.told[key] = answer
}

// Recorded tells of a receipt in the record that has a key.
func (a *Acknowledged) Recorded(key, answer string) {
	switch _, twice := a.recorded[key]; {
	case !a.sent[key]:
		a.complain("request %s is in the record, and nobody made it", key)
	case twice:
		a.complain("request %s is in the record twice:\n%s\n%s", key, a.recorded[key], answer)
	}
	a.recorded[key] = answer
}

// Complaints returns what is wrong, given that the whole record was told.
func (a *Acknowledged) Complaints() []string {
	all := a.complains
	for key, told := range a.told {
		if recorded, there := a.recorded[key]; !there {
			all = append(all, fmt.Sprintf("request %s was answered, and is not in the record:\n%s", key, told))
		} else if recorded != told {
			all = append(all, fmt.Sprintf("request %s was answered\n%s\nthe record says\n%s", key, told, recorded))
		}
	}
	return all
}
