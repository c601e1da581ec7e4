package usage

import (
	"strconv"
	"time"

	"github.com/farebox/farebox/token"
)

// Columns are the names of an event's columns (decisions.md D34).
var Columns = []string{
	"CORRELATION_ID", "TENANT_ID", "USAGE_TIME", "WRITE_TIME", "CONSUMER_ID", "CONSUMER_TYPE", "ACCOUNT_ID", "INSTANCE_ID",
	"ACTIVATION_ID", "MAPPED_ENTITLED_COUNT", "USED", "ITEM", "ITEM_VERSION", "COUNT", "RATE", "TOKENS", "OVERDRAFT", "KIND",
	"STATUS", "SESSION_ID", "RATE_TABLE_SERIES", "RATE_TABLE_VERSION", "METADATA", "CONSUMER_DICTIONARY",
	"UNIT_PRICE", "CURRENCY", "MONEY", "REQUESTS", "SOURCE_ADDRESS", "USER_AGENT", "REFUND_OF", "CORRECTED_BY", "REASON",
	"HOLD_ID", "LATE", "OVERDRAWN", "LEASE_ID",
}

// Row returns an event's columns in the order of Columns; times are RFC 3339 in UTC. What a denial does not have is
// empty, and so is what only settlements and reports of leases have of all else.
func (e *Event) Row() []string {
	charged := func(a token.Amount) string {
		if e.Kind == Denial {
			return ""
		}
		return a.String()
	}
	entitled := ""
	if e.Kind != Denial {
		entitled = strconv.FormatInt(e.EntitledCount, 10)
	}
	var from Source
	if e.Source != nil {
		from = *e.Source
	}
	price, money := "", ""
	if e.Currency != "" {
		price, money = e.UnitPrice.String(), e.Money().String()
	}
	late, overdrawn := "", ""
	if e.Kind == Settlement || e.Kind == LeaseReport {
		late, overdrawn = strconv.FormatBool(e.Late), e.Overdrawn.String()
	}
	return []string{
		e.CorrelationID, Tenant, stamp(e.UsageTimeMS), stamp(e.WriteTimeMS), e.Requester.Value, e.Requester.Type, e.AccountID,
		e.InstanceID, e.ActivationID, entitled, charged(e.Used), e.Item, e.ItemVersion, e.Count.String(), charged(e.Rate),
		e.Tokens.String(), e.Overdraft.String(), string(e.Kind), string(e.Status), e.SessionID, e.RateTableSeries,
		e.RateTableVersion, string(e.MetaData), string(e.Requester.Dictionary),
		price, e.Currency, money, strconv.Itoa(e.Requests), from.Address, from.UserAgent,
		e.RefundOf, e.By, e.Reason, e.HoldID, late, overdrawn, e.LeaseID,
	}
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
