package bench

import "fmt"

// sessionSteps live through a session.
var sessionSteps = []step{openSession, askOfSession, beat, halt, closeSession}

func openSession(s *sequence) (int, error) {
	body, err := s.call("POST", "/sessions", `{"instanceId":"`+s.instance.ID+`"}`, `"sessionId":"`)
	if err == nil {
		s.id, err = member(body, "sessionId")
	}
	return 0, err
}

func askOfSession(s *sequence) (int, error) {
	_, err := s.call("PUT", "/sessions/"+s.id, s.sessionRequest(s.traffic.one(s.items)), `"code":"1101"`)
	return 1, err
}

func beat(s *sequence) (int, error) {
	_, err := s.call("GET", "/sessions/"+s.id+"/heartbeat", "", `"state":"ACTIVE"`)
	return 0, err
}

func halt(s *sequence) (int, error) {
	_, err := s.call("PUT", "/sessions/"+s.id, s.sessionRequest(nil), `"state":"IDLE"`)
	return 0, err
}

func closeSession(s *sequence) (int, error) {
	_, err := s.call("DELETE", "/sessions/"+s.id, "", `Session closed`)
	return 0, err
}

func (s *sequence) sessionRequest(items []byte) string {
	return fmt.Sprintf(`{"requester":{"type":"user","value":"user-%02d"},"rollbackOnDeny":true,"requestedItems":[%s]}`, s.requester, items)
}
