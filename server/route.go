package server

import (
	"net/http"
	"slices"
	"strings"
)

// audience says who may use a route.
type audience int

const (
	public      audience = iota // anybody
	adminOnly                   // administration tokens
	ofInstance                  // and client tokens for the path's instanceId
	ofInstances                 // and client tokens; the handler keeps to their instances
)

// family is the API a route belongs to; it decides what an error looks like.
type family int

const (
	operations family = iota
	v10               // of the reference API
	v11
	farebox
)

type route struct {
	method, path string
	family       family
	audience     audience
	bodyMost     int64 // bytes; 0: the route takes no body; less than 0: up to so many bytes, which the handler reads as they come
	handle       func(*call) (*reply, error)
}

const autoTopUpPath = "/farebox/v1/instances/{instanceId}/line-items/{lineItemId}/auto-top-up"

// Bounds of bodies (decisions.md D32).
const (
	bodyMost      = 1 << 20
	rateTableMost = 32 << 20
)

// routes is every route there is. openapi.yaml has the same; a test compares them.
func routes() []route {
	all := []route{
		{"GET", "/healthz", operations, public, 0, healthz},
		{"GET", "/readyz", operations, public, 0, readyz},
		{"GET", "/openapi.yaml", operations, public, 0, openAPI},
		{"POST", "/farebox/v1/sign-in", farebox, public, signInMost, signIn},
		{"GET", "/farebox/v1/live", farebox, ofInstances, 0, watchLive},
		{"GET", "/farebox/v1/usage", farebox, ofInstances, 0, queryUsage},
		{"GET", "/farebox/v1/usage/events", farebox, ofInstances, 0, listEvents},
		{"GET", "/farebox/v1/usage/export", farebox, ofInstances, 0, exportEvents},
		{"GET", "/farebox/v1/instances", farebox, ofInstances, 0, pageInstances},
		{"GET", "/farebox/v1/line-items/ending", farebox, adminOnly, 0, listEnding},
		{"GET", "/farebox/v1/receipts", farebox, ofInstances, 0, listReceipts},
		{"GET", "/farebox/v1/receipts/{correlationId}", farebox, ofInstances, 0, getReceipt},
		{"POST", "/farebox/v1/receipts/{correlationId}/refund", farebox, adminOnly, bodyMost, refundReceipt},
		{"POST", "/farebox/v1/instances/{instanceId}/line-items/{lineItemId}/adjustments", farebox, adminOnly, bodyMost, adjustLineItem},
		{"POST", "/farebox/v1/instances/{instanceId}/line-items/{lineItemId}/top-up", farebox, adminOnly, bodyMost, topUpLineItem},
		{"PUT", autoTopUpPath, farebox, adminOnly, bodyMost, putAutoTopUp},
		{"GET", autoTopUpPath, farebox, ofInstance, 0, getAutoTopUp},
		{"DELETE", autoTopUpPath, farebox, adminOnly, 0, deleteAutoTopUp},
		{"POST", autoTopUpPath + "/acknowledge", farebox, ofInstance, bodyMost, acknowledgeAutoTopUp},
		{"POST", autoTopUpPath + "/decline", farebox, adminOnly, bodyMost, declineAutoTopUp},
		{"GET", "/farebox/v1/auto-top-ups", farebox, adminOnly, 0, listAutoTopUps},
		{"POST", "/farebox/v1/transfers", farebox, adminOnly, bodyMost, transferTokens},
		{"POST", "/farebox/v1/access-requests", farebox, ofInstances, -bulkMost, chargeInBulk},
		{"GET", "/farebox/v1/sessions", farebox, ofInstances, 0, pageSessions},
		{"POST", "/farebox/v1/sessions", farebox, ofInstances, bodyMost, createSession},
		{"GET", "/farebox/v1/sessions/{sessionId}", farebox, ofInstances, 0, ofSession(getSession)},
		{"PUT", "/farebox/v1/sessions/{sessionId}", farebox, ofInstances, bodyMost, ofSession(askInSession)},
		{"GET", "/farebox/v1/sessions/{sessionId}/heartbeat", farebox, ofInstances, 0, ofSession(heartbeat)},
		{"DELETE", "/farebox/v1/sessions/{sessionId}", farebox, ofInstances, 0, ofSession(closeSession)},
		{"POST", "/farebox/v1/instances/{instanceId}/holds", farebox, ofInstance, bodyMost, makeHold},
		{"GET", "/farebox/v1/holds", farebox, ofInstances, 0, pageHolds},
		{"GET", "/farebox/v1/holds/{holdId}", farebox, ofInstances, 0, getHold},
		{"DELETE", "/farebox/v1/holds/{holdId}", farebox, ofInstances, 0, ofHold(releaseHold)},
		{"POST", "/farebox/v1/holds/{holdId}/extend", farebox, ofInstances, bodyMost, ofHold(extendHold)},
		{"POST", "/farebox/v1/holds/{holdId}/settle", farebox, ofInstances, bodyMost, ofHold(settleHold)},
		{"POST", "/farebox/v1/instances/{instanceId}/leases", farebox, ofInstance, bodyMost, makeLease},
		{"GET", "/farebox/v1/leases", farebox, ofInstances, 0, pageLeases},
		{"GET", "/farebox/v1/leases/{leaseId}", farebox, ofInstances, 0, getLease},
		{"DELETE", "/farebox/v1/leases/{leaseId}", farebox, ofInstances, 0, ofLease(endLease)},
		{"POST", "/farebox/v1/leases/{leaseId}/report", farebox, ofInstances, bodyMost, ofLease(reportLease)},
		{"GET", "/farebox/v1/lease-keys", farebox, public, 0, leaseKeys},
		{"GET", "/farebox/v1/packs", farebox, adminOnly, 0, listPacks},
		{"POST", "/farebox/v1/packs", farebox, adminOnly, bodyMost, createPack},
		{"GET", "/farebox/v1/packs/{name}", farebox, adminOnly, 0, getPack},
		{"PUT", "/farebox/v1/packs/{name}", farebox, adminOnly, bodyMost, replacePack},
		{"DELETE", "/farebox/v1/packs/{name}", farebox, adminOnly, 0, deletePack},
		{"POST", "/farebox/v1/packs/{name}/sales", farebox, adminOnly, bodyMost, sellPack},
		{"GET", "/farebox/v1/alerts", farebox, adminOnly, 0, listAlerts},
		{"POST", "/farebox/v1/alerts", farebox, adminOnly, bodyMost, createAlert},
		{"GET", "/farebox/v1/alerts/fired", farebox, adminOnly, 0, listFired},
		{"GET", "/farebox/v1/alerts/{name}", farebox, adminOnly, 0, getAlert},
		{"PUT", "/farebox/v1/alerts/{name}", farebox, adminOnly, bodyMost, replaceAlert},
		{"DELETE", "/farebox/v1/alerts/{name}", farebox, adminOnly, 0, deleteAlert},
		{"GET", "/farebox/v1/webhooks", farebox, adminOnly, 0, listWebhooks},
		{"POST", "/farebox/v1/webhooks", farebox, adminOnly, bodyMost, createWebhook},
		{"GET", "/farebox/v1/webhooks/{webhookId}", farebox, adminOnly, 0, getWebhook},
		{"PUT", "/farebox/v1/webhooks/{webhookId}", farebox, adminOnly, bodyMost, replaceWebhook},
		{"DELETE", "/farebox/v1/webhooks/{webhookId}", farebox, adminOnly, 0, deleteWebhook},
		{"POST", "/farebox/v1/webhooks/{webhookId}/rotate", farebox, adminOnly, 0, rotateWebhook},
		{"POST", "/farebox/v1/webhooks/{webhookId}/test", farebox, adminOnly, 0, testWebhook},
		{"GET", "/farebox/v1/webhooks/{webhookId}/deliveries", farebox, adminOnly, 0, listDeliveries},
		{"GET", "/farebox/v1/webhooks/{webhookId}/deliveries/{deliveryId}", farebox, adminOnly, 0, getDelivery},
		{"POST", "/farebox/v1/webhooks/{webhookId}/deliveries/{deliveryId}/replay", farebox, adminOnly, 0, replayDelivery},
		{"POST", "/farebox/v1/instances/{instanceId}/quote", farebox, ofInstance, bodyMost, quoteAccess},
		{"GET", "/farebox/v1/instances/{instanceId}/balance", farebox, ofInstance, 0, getBalance},
		{"GET", "/farebox/v1/instances/{instanceId}/forecast", farebox, ofInstance, 0, getForecast},
		{"GET", "/farebox/v1/instances/{instanceId}/statements/{month}", farebox, ofInstance, 0, instanceStatement},
		{"GET", "/farebox/v1/accounts/{accountId}/statements/{month}", farebox, adminOnly, 0, accountStatement},
		{"GET", "/farebox/v1/insights", farebox, adminOnly, 0, listInsights},
		{"GET", "/farebox/v1/insights/{name}", farebox, adminOnly, 0, getInsight},
		{"GET", "/farebox/v1/rate-tables", farebox, adminOnly, 0, listVersions},
		{"GET", "/farebox/v1/rate-tables/items", farebox, adminOnly, 0, listRateItems},
		{"GET", "/farebox/v1/rate-tables/diff", farebox, adminOnly, 0, diffRateTables},
		{"POST", "/farebox/v1/formulas/evaluate", farebox, adminOnly, bodyMost, evaluateFormula},
		{"GET", "/farebox/v1/service", farebox, adminOnly, 0, getService},
		{"GET", "/farebox/v1/verify", farebox, adminOnly, 0, getProof},
		{"POST", "/farebox/v1/verify", farebox, adminOnly, 0, beginProof},
		{"POST", "/farebox/v1/rate-tables/simulate", farebox, adminOnly, rateTableMost, simulateRates},
		{"GET", "/farebox/v1/test-clock", farebox, adminOnly, 0, readTestClock},
		{"POST", "/farebox/v1/test-clock", farebox, adminOnly, bodyMost, advanceTestClock},
		{"GET", limitPath, v11, ofInstance, 0, getLimit}, // v1.0 has no consumption limits
		{"PUT", limitPath, v11, ofInstance, bodyMost, putLimit},
		{"DELETE", limitPath, v11, ofInstance, 0, deleteLimit},
	}
	for _, r := range reference() {
		for _, prefix := range r.prefixes {
			all = append(all,
				route{r.method, "/dynamicmonetization" + prefix + "/v1.0" + r.path, v10, r.audience, r.bodyMost, r.handle},
				route{r.method, "/dynamicmonetization" + prefix + "/v1.1" + r.path, v11, r.audience, r.bodyMost, r.handle})
		}
	}
	return all
}

type referenceRoute struct {
	method   string
	prefixes []string
	path     string
	audience audience
	bodyMost int64
	handle   func(*call) (*reply, error)
}

// reference is the reference API, every operation in v1.0 and v1.1 (decisions.md D29).
func reference() []referenceRoute {
	keys := []string{"/floating/api", "/api"}
	instances := []string{"/provisioning/api", "/api"}
	provisioning := []string{"/provisioning/api"}
	elastic := []string{"/elastic/api"}
	sessions := []string{"/api", "/floating/api"}
	rules := []string{"/api"}
	return []referenceRoute{
		{"PUT", keys, "/administration-keys", adminOnly, bodyMost, saveAdminKeys},
		{"DELETE", keys, "/administration-keys/{keyId}", adminOnly, 0, deleteAdminKey},
		{"PUT", keys, "/client-keys", adminOnly, bodyMost, saveClientKeys},
		{"DELETE", keys, "/client-keys/{keyId}", adminOnly, 0, deleteClientKey},
		{"GET", keys, "/public-keys", adminOnly, 0, listKeys},
		{"GET", instances, "/instances", adminOnly, 0, listInstances},
		{"POST", instances, "/instances", adminOnly, bodyMost, createInstance},
		{"GET", instances, "/instances/{instanceId}", ofInstance, 0, getInstance},
		{"GET", instances, "/instances/{instanceId}/line-items", ofInstance, 0, listLineItems},
		{"PUT", instances, "/instances/{instanceId}/line-items", adminOnly, bodyMost, putLineItem},
		{"GET", instances, "/instances/{instanceId}/line-items/{lineItemId}", ofInstance, 0, getLineItem},
		{"DELETE", instances, "/instances/{instanceId}/line-items/{lineItemId}", adminOnly, 0, deleteLineItem},
		{"GET", provisioning, "/rate-tables", adminOnly, 0, listRateTables},
		{"POST", provisioning, "/rate-tables", adminOnly, rateTableMost, addRateTable},
		{"DELETE", provisioning, "/rate-tables", adminOnly, 0, deleteRateTable},
		{"GET", provisioning, "/configuration", adminOnly, 0, listConfiguration},
		{"PATCH", provisioning, "/configuration", adminOnly, bodyMost, setConfiguration},
		{"GET", rules, "/instances/{instanceId}/line-items/actions", ofInstance, 0, listActions},
		{"GET", rules, "/instances/{instanceId}/line-items/{lineItemId}/actions", ofInstance, 0, getActions},
		{"POST", rules, "/instances/{instanceId}/line-items/{lineItemId}/actions", ofInstance, bodyMost, addActions},
		{"PUT", rules, "/instances/{instanceId}/line-items/{lineItemId}/actions", ofInstance, bodyMost, putActions},
		{"DELETE", rules, "/instances/{instanceId}/line-items/{lineItemId}/actions", ofInstance, 0, deleteActions},
		{"GET", rules, "/instances/{instanceId}/conditions", ofInstance, 0, listConditions},
		{"POST", rules, "/instances/{instanceId}/conditions", ofInstance, bodyMost, addConditions},
		{"PATCH", rules, "/instances/{instanceId}/conditions", ofInstance, bodyMost, patchConditions},
		{"DELETE", rules, "/instances/{instanceId}/conditions", ofInstance, 0, deleteConditions},
		{"DELETE", rules, "/instances/{instanceId}/conditions/{conditionId}", ofInstance, 0, deleteCondition},
		{"POST", elastic, "/instances/{instanceId}/access-request", ofInstance, bodyMost, requestAccess},
		{"POST", sessions, "/sessions", ofInstances, bodyMost, createSession},
		{"GET", sessions, "/sessions", ofInstances, 0, listSessions},
		{"GET", sessions, "/sessions/{sessionId}", ofInstances, 0, ofSession(getSession)},
		{"PUT", sessions, "/sessions/{sessionId}", ofInstances, bodyMost, ofSession(askInSession)},
		{"GET", sessions, "/sessions/{sessionId}/heartbeat", ofInstances, 0, ofSession(heartbeat)},
		{"DELETE", sessions, "/sessions/{sessionId}", ofInstances, 0, ofSession(closeSession)},
	}
}

// noRoute answers what no route does, in the shape of the API that was meant.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	f := operations
	switch {
	case strings.HasPrefix(r.URL.Path, "/dynamicmonetization/"):
		f = v11
	case strings.HasPrefix(r.URL.Path, "/farebox/"):
		f = farebox
	}
	if allowed := s.allowed(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		write(w, errorReply(f, http.StatusMethodNotAllowed, "", r.Method+" is not possible here; possible: "+strings.Join(allowed, ", ")))
		return
	}
	write(w, errorReply(f, http.StatusNotFound, "", "there is nothing at "+r.URL.Path+"; see /docs for what there is"))
}

func (s *Server) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{"DELETE", "GET", "PATCH", "POST", "PUT"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" && pattern != "" {
			methods = append(methods, method)
		}
	}
	return slices.Compact(methods)
}
