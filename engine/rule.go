package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/store"
)

// Bounds of rules of access (decisions.md D32). They keep a decision short, too: clients write the rules of their instances.
const (
	ConditionsMost = 1_000     // of an instance; also what one may stand for, with all that it refers to
	ConditionBytes = 128 << 10 // of all conditions of an instance, as JSON
	ConditionDepth = 20        // through references, too
	ValuesMost     = 1_000     // of a condition
	ActionsMost    = 100       // of a line item
)

// LineItem returns a line item of an instance. It fails with a problem NotFound.
func LineItem(r store.Reader, instanceID, activationID string) (*ledger.LineItem, error) {
	i, err := r.Instance(instanceID)
	if err == nil && i == nil {
		err = NoInstance(instanceID)
	}
	if err != nil {
		return nil, err
	}
	l, err := r.LineItem(activationID)
	if err == nil && (l == nil || l.Deleted || l.InstanceID != instanceID) {
		err = NoLineItem(activationID)
	}
	return l, err
}

// AddActions puts actions behind those that a line item has, and returns them with their ids.
func (c *Change) AddActions(instanceID, activationID string, more []ledger.Action) ([]ledger.Action, error) {
	if len(more) == 0 {
		return nil, problem.New(problem.Invalid, "the body must be an array of 1 to %d actions", ActionsMost)
	}
	for i := range more {
		if more[i].ID != "" {
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "is given by the server; leave it out, or PUT the whole list")
		}
	}
	return c.setActions(instanceID, activationID, more, true)
}

// PutActions replaces a line item's actions. Those that keep their id keep what was used of their allocation.
func (c *Change) PutActions(instanceID, activationID string, actions []ledger.Action) ([]ledger.Action, error) {
	return c.setActions(instanceID, activationID, actions, false)
}

// DeleteActions leaves a line item to all requesters.
func (c *Change) DeleteActions(instanceID, activationID string) error {
	_, err := c.setActions(instanceID, activationID, nil, false)
	return err
}

func (c *Change) setActions(instanceID, activationID string, actions []ledger.Action, behind bool) ([]ledger.Action, error) {
	if err := checkActions(actions); err != nil {
		return nil, err
	}
	l, err := LineItem(c.tx, instanceID, activationID)
	if err != nil {
		return nil, err
	}
	if err := c.conditionsExist(instanceID, actions); err != nil {
		return nil, err
	}
	if actions, err = c.identify(l, actions); err != nil {
		return nil, err
	}
	first := 0
	if behind {
		first = len(l.Actions)
		actions = append(slices.Clip(l.Actions), actions...)
		if len(actions) > ActionsMost {
			return nil, problem.New(problem.Invalid, "the line item has %d actions; with these it would have %d, at most %d are allowed", first, len(actions), ActionsMost)
		}
		if at, twice := secondDefault(actions); twice {
			return nil, problem.Field(fmt.Sprintf("[%d].conditionId", at-first), "is required: the line item has a default action already")
		}
	}
	l.Actions = actions
	return actions[first:], c.tx.PutLineItem(l)
}

// checkActions checks actions by themselves.
func checkActions(actions []ledger.Action) error {
	if len(actions) > ActionsMost {
		return problem.New(problem.Invalid, "the body has %d actions, at most %d are allowed", len(actions), ActionsMost)
	}
	for i := range actions {
		a := &actions[i]
		refuse := func(field, format string, args ...any) error {
			return problem.Field(fmt.Sprintf("[%d].%s", i, field), format, args...)
		}
		if why := problem.Misnamed(a.Name); why != "" {
			return refuse("name", "%s", why)
		}
		switch {
		case a.Allocation != nil && !a.Allow:
			return refuse("allocation", "is for ALLOW only; leave it out")
		case a.Allocation != nil && a.Allocation.Sign() < 0:
			return refuse("allocation", "must not be negative")
		case a.Allocation == nil && a.Allow && a.ConditionID != "":
			return refuse("allocation", "is required for ALLOW; only the default action, which has no conditionId, may go without")
		}
	}
	if at, twice := secondDefault(actions); twice {
		return problem.Field(fmt.Sprintf("[%d].conditionId", at), "is required: there is a default action, without a condition, before it")
	}
	return nil
}

// secondDefault finds an action without a condition after another one.
func secondDefault(actions []ledger.Action) (at int, twice bool) {
	isDefault := func(a ledger.Action) bool { return a.ConditionID == "" }
	first := slices.IndexFunc(actions, isDefault)
	if first < 0 {
		return 0, false
	}
	second := slices.IndexFunc(actions[first+1:], isDefault)
	return first + 1 + second, second >= 0
}

func (c *Change) conditionsExist(instanceID string, actions []ledger.Action) error {
	all, err := c.tx.Conditions(instanceID)
	if err != nil {
		return err
	}
	known := byID(all)
	for i := range actions {
		if id := actions[i].ConditionID; id != "" && known[id] == nil {
			return problem.Field(fmt.Sprintf("[%d].conditionId", i), "this instance has no condition %q", id)
		}
	}
	return nil
}

// identify gives new actions their ids, and those that a line item has already what was used of them.
func (c *Change) identify(l *ledger.LineItem, actions []ledger.Action) ([]ledger.Action, error) {
	actions = slices.Clone(actions)
	for i := range actions {
		a := &actions[i]
		if a.ID == "" {
			a.ID = c.newID()
			continue
		}
		is := func(other ledger.Action) bool { return other.ID == a.ID }
		old := slices.IndexFunc(l.Actions, is)
		switch {
		case old < 0:
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "the line item has no action %q; leave it out to make a new one", a.ID)
		case slices.ContainsFunc(actions[:i], is):
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "is there twice")
		}
		a.Used = l.Actions[old].Used
	}
	return actions, nil
}

// AddConditions adds conditions to those of an instance, and returns them with their ids. The fields of its problems begin
// with the place in the list, such as "[0].key".
func (c *Change) AddConditions(instanceID string, more []*ledger.Condition) ([]*ledger.Condition, error) {
	for i, x := range more {
		if x.ID != "" {
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "is given by the server; leave it out, or PATCH the condition that has it")
		}
	}
	return c.PatchConditions(instanceID, more)
}

// PatchConditions changes the conditions that have an id, of which what is left out stays as it was, and adds those that
// have none. Problems are as in AddConditions.
func (c *Change) PatchConditions(instanceID string, changes []*ledger.Condition) ([]*ledger.Condition, error) {
	if len(changes) == 0 || len(changes) > ConditionsMost {
		return nil, problem.New(problem.Invalid, "there must be 1 to %d conditions", ConditionsMost)
	}
	if err := c.instanceExists(instanceID); err != nil {
		return nil, err
	}
	all, err := c.tx.Conditions(instanceID)
	if err != nil {
		return nil, err
	}
	changes = slices.Clone(changes)
	if all, err = c.merge(all, changes); err != nil {
		return nil, err
	}
	if err := checkConditions(all, changes); err != nil {
		return nil, err
	}
	return changes, c.tx.PutConditions(instanceID, all)
}

// merge puts changes in their places among all conditions, and completes them, in the list, with what they leave as it was.
func (c *Change) merge(all, changes []*ledger.Condition) ([]*ledger.Condition, error) {
	all = slices.Clone(all)
	for i, change := range changes {
		x := new(*change)
		changes[i] = x
		if x.ID == "" {
			x.ID = c.newID()
			all = append(all, x)
			continue
		}
		at := slices.IndexFunc(all, func(old *ledger.Condition) bool { return old.ID == x.ID })
		switch {
		case at < 0:
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "this instance has no condition %q; leave it out to make a new one", x.ID)
		case slices.Contains(changes[:i], all[at]):
			return nil, problem.Field(fmt.Sprintf("[%d].id", i), "is there twice")
		}
		keep(all[at], x)
		all[at] = x
	}
	if len(all) > ConditionsMost {
		return nil, problem.New(problem.Invalid, "the instance would have %d conditions, at most %d are allowed", len(all), ConditionsMost)
	}
	return all, nil
}

// keep completes a change of a condition with what it leaves as it was: of one that becomes of another type, the name.
func keep(old, x *ledger.Condition) {
	if x.Name == "" {
		x.Name = old.Name
	}
	if x.Type == "" {
		x.Type = old.Type
	}
	if x.Type != old.Type {
		return
	}
	if x.Operator == "" {
		x.Operator = old.Operator
	}
	if x.Key == "" {
		x.Key = old.Key
	}
	if x.Values == nil {
		x.Values = old.Values
	}
	if x.Conditions == nil {
		x.Conditions = old.Conditions
	}
}

// checkConditions checks the changed ones among all conditions of an instance, and that all hold together.
func checkConditions(all, changed []*ledger.Condition) error {
	for i, x := range changed {
		if err := checkCondition(x, fmt.Sprintf("[%d]", i), 1); err != nil {
			return err
		}
	}
	s := survey{byID: byID(all), known: map[string]extent{}}
	for i, x := range changed {
		if _, err := s.refer(x.ID, fmt.Sprintf("[%d]", i)); err != nil {
			return err
		}
	}
	for _, x := range all {
		if _, err := s.refer(x.ID, ""); err != nil { // for what has changed below it
			return problem.New(problem.Invalid, "condition %q, which refers to one of these, %s", x.ID, err.Message)
		}
	}
	text, err := json.Marshal(all)
	if err == nil && len(text) > ConditionBytes {
		err = problem.New(problem.Invalid, "the conditions of the instance would be %d bytes of JSON, at most %d are allowed", len(text), ConditionBytes)
	}
	return err
}

func byID(all []*ledger.Condition) map[string]*ledger.Condition {
	found := make(map[string]*ledger.Condition, len(all))
	for _, x := range all {
		found[x.ID] = x
	}
	return found
}

// checkCondition checks a condition by itself, with those that are nested in it in place.
func checkCondition(x *ledger.Condition, at string, depth int) error {
	refuse := func(field, format string, args ...any) error {
		return problem.Field(at+"."+field, format, args...)
	}
	switch {
	case depth > ConditionDepth:
		return problem.Field(at, "is nested deeper than %d", ConditionDepth)
	case depth > 1 && x.ID != "":
		if x.Type != "" || x.Name != "" || x.Operator != "" || x.Key != "" || x.Values != nil || x.Conditions != nil {
			return refuse("id", "stands for another condition of the instance; leave it out, or all the rest")
		}
		return nil
	}
	if why := problem.Misnamed(x.Name); why != "" {
		return refuse("name", "%s", why)
	}
	switch x.Type {
	case ledger.Simple:
		return checkSimple(x, refuse)
	case ledger.Complex:
		return checkComplex(x, at, depth, refuse)
	case "":
		return refuse("type", "is required: SIMPLE or COMPLEX")
	}
	return refuse("type", "must be SIMPLE or COMPLEX")
}

func checkSimple(x *ledger.Condition, refuse func(field, format string, args ...any) error) error {
	if why := problem.Unnamed(x.Key); why != "" {
		return refuse("key", "%s", why)
	}
	switch {
	case x.Operator != ledger.In && x.Operator != ledger.Not:
		return refuse("operator", "must be IN or NOT")
	case x.Conditions != nil:
		return refuse("conditions", "is for COMPLEX only; leave it out")
	case len(x.Values) == 0 || len(x.Values) > ValuesMost:
		return refuse("values", "must be 1 to %d values, and are %d", ValuesMost, len(x.Values))
	}
	for i, value := range x.Values {
		if why := problem.Misnamed(value); why != "" {
			return refuse(fmt.Sprintf("values[%d]", i), "%s", why)
		}
	}
	return nil
}

func checkComplex(x *ledger.Condition, at string, depth int, refuse func(field, format string, args ...any) error) error {
	switch {
	case x.Operator != ledger.And && x.Operator != ledger.Or:
		return refuse("operator", "must be AND or OR")
	case x.Key != "":
		return refuse("key", "is for SIMPLE only; leave it out")
	case x.Values != nil:
		return refuse("values", "is for SIMPLE only; leave it out")
	case len(x.Conditions) == 0 || len(x.Conditions) > ConditionsMost:
		return refuse("conditions", "must be 1 to %d conditions, and are %d", ConditionsMost, len(x.Conditions))
	}
	for i, part := range x.Conditions {
		if err := checkCondition(part, fmt.Sprintf("%s.conditions[%d]", at, i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// survey measures conditions with all that they refer to.
type survey struct {
	byID  map[string]*ledger.Condition
	known map[string]extent
	path  []string // of the ids that led here
}

// extent is how deep a condition is nested, and how many it stands for, itself among them: what it costs to ask it.
type extent struct{ depth, size int }

// refer measures the condition with an id. Whatever is wrong with it, or with what it refers to, is said of the place in the
// request that led there.
func (s *survey) refer(id, at string) (extent, *problem.Error) {
	if e, known := s.known[id]; known {
		return e, nil
	}
	x := s.byID[id]
	if x == nil {
		return extent{}, problem.Field(at+".id", "this instance has no condition %q", id)
	}
	if since := slices.Index(s.path, id); since >= 0 {
		return extent{}, problem.Field(at+".id", "leads back to where it began: %s", strings.Join(append(s.path[since:], id), " > "))
	}
	s.path = append(s.path, id)
	e, err := s.measure(x, at)
	s.path = s.path[:len(s.path)-1]
	if err == nil {
		s.known[id] = e
	}
	return e, err
}

func (s *survey) measure(x *ledger.Condition, at string) (extent, *problem.Error) {
	e := extent{1, 1}
	for i, part := range x.Conditions {
		place := at
		if len(s.path) == 1 { // else it stands in another condition than the one of the request
			place = fmt.Sprintf("%s.conditions[%d]", at, i)
		}
		of, err := s.part(part, place)
		if err != nil {
			return e, err
		}
		e.depth, e.size = max(e.depth, 1+of.depth), e.size+of.size
	}
	switch {
	case e.depth > ConditionDepth:
		return e, problem.Field(at, "is nested deeper than %d, with what it refers to", ConditionDepth)
	case e.size > ConditionsMost:
		return e, problem.Field(at, "stands for more than %d conditions, with all that it refers to", ConditionsMost)
	}
	return e, nil
}

func (s *survey) part(x *ledger.Condition, at string) (extent, *problem.Error) {
	if x.Type == "" {
		return s.refer(x.ID, at)
	}
	return s.measure(x, at)
}

// DeleteCondition deletes a condition that nothing refers to.
func (c *Change) DeleteCondition(instanceID, id string) error {
	if err := c.instanceExists(instanceID); err != nil {
		return err
	}
	all, err := c.tx.Conditions(instanceID)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(x *ledger.Condition) bool { return x.ID == id })
	if at < 0 {
		return problem.New(problem.NotFound, "this instance has no condition %q", id)
	}
	rest := slices.Delete(slices.Clone(all), at, at+1)
	for _, x := range rest {
		if refers(x, id) {
			return problem.New(problem.Conflict, "condition %q refers to condition %q; change that first", x.ID, id)
		}
	}
	if err := c.conditionsFree(instanceID, func(used string) bool { return used == id }); err != nil {
		return err
	}
	return c.tx.PutConditions(instanceID, rest)
}

// DeleteConditions deletes all conditions of an instance, if no action refers to any.
func (c *Change) DeleteConditions(instanceID string) error {
	if err := c.instanceExists(instanceID); err != nil {
		return err
	}
	if err := c.conditionsFree(instanceID, func(used string) bool { return used != "" }); err != nil {
		return err
	}
	return c.tx.PutConditions(instanceID, nil)
}

func refers(x *ledger.Condition, id string) bool {
	return slices.ContainsFunc(x.Conditions, func(part *ledger.Condition) bool { return part.ID == id || refers(part, id) })
}

// conditionsFree fails when an action refers to one of some conditions.
func (c *Change) conditionsFree(instanceID string, of func(id string) bool) error {
	lineItems, err := c.tx.LineItems(instanceID)
	if err != nil {
		return err
	}
	for _, l := range lineItems {
		for i := range l.Actions {
			if a := &l.Actions[i]; of(a.ConditionID) && !l.Deleted {
				return problem.New(problem.Conflict, "an action of line item %q refers to condition %q; change that first", l.ActivationID, a.ConditionID)
			}
		}
	}
	return nil
}
