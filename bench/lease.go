package bench

import "fmt"

// leaseSteps take a lease, report what was spent of it, and end it with what was spent in all.
var leaseSteps = []step{takeLease, reportLease(1, false), reportLease(2, true)}

func takeLease(s *sequence) (int, error) {
	body, err := s.call("POST", "/instances/"+s.instance.ID+"/leases", fmt.Sprintf(
		`{"client":"bench","requester":{"type":"user","value":"user-%02d"},"tokens":10,"items":[{"item":%q}],"ttl":600}`, s.requester, cheapItem), `"state":"LIVE"`)
	if err != nil {
		return 0, err
	}
	if s.id, err = member(body, "leaseId"); err == nil {
		s.lease, err = member(body, "lease")
	}
	return 0, err
}

func reportLease(count int, final bool) step {
	return func(s *sequence) (int, error) {
		_, err := s.call("POST", "/leases/"+s.id+"/report", fmt.Sprintf(
			`{"lease":%q,"items":[{"item":%q,"count":%d}],"final":%t}`, s.lease, cheapItem, count, final), `"code":"1101"`)
		return 1, err
	}
}
