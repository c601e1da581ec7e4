package bench

import "fmt"

// holdSteps hold tokens for work, and settle it for less than was held.
var holdSteps = []step{makeHold, settleHold}

func makeHold(s *sequence) (int, error) {
	body, err := s.call("POST", "/instances/"+s.instance.ID+"/holds", fmt.Sprintf(
		`{"requester":{"type":"user","value":"user-%02d"},"ttl":60,"requestedItems":[{"item":%q,"count":2}]}`, s.requester, cheapItem), `"state":"HELD"`)
	if err == nil {
		s.id, err = member(body, "holdId")
	}
	return 0, err
}

func settleHold(s *sequence) (int, error) {
	_, err := s.call("POST", "/holds/"+s.id+"/settle", fmt.Sprintf(`{"requestedItems":[%s]}`, s.traffic.one(s.items)), `"state":"SETTLED"`)
	return 1, err
}
