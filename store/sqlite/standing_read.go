package sqlite

import "github.com/farebox/farebox/ledger"

// Standing implements store.Reader.
func (r *reader) Standing(key ledger.RequesterKey) (*ledger.Standing, error) {
	standing := ledger.NewStanding(key)
	err := each(r, eachCover, func(c *ledger.Cover) error {
		standing.Covers[c.ItemKey] = c
		return nil
	}, selectCovers+whereRequester, key.InstanceID, key.Type, key.Value)
	if err != nil {
		return nil, err
	}
	return standing, each(r, eachConsumed, func(c *ledger.Consumed) error {
		standing.Consumed[c.PeriodKey] = c
		return nil
	}, selectConsumed+whereRequester, key.InstanceID, key.Type, key.Value)
}
