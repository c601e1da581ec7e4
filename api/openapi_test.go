package api

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/pb33f/jsonschema/v6"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/farebox/farebox/access"
	"github.com/farebox/farebox/ledger"
	"github.com/farebox/farebox/notify"
	amount "github.com/farebox/farebox/token"
	"github.com/farebox/farebox/usage"
)

// object is a JSON object of the document.
type object = map[string]any

// document returns openapi.yaml as JSON.
func document(t *testing.T) object {
	t.Helper()
	text, err := yaml.YAMLToJSON(Document)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return tree.(object)
}

func TestDocumentIsOpenAPI31(t *testing.T) {
	doc, err := libopenapi.NewDocument(Document)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	_, wrong := v.ValidateDocument()
	for _, w := range wrong {
		t.Errorf("%s: %v", w, w.SchemaValidationErrors)
	}
}

// walk visits every object below a node, with its JSON pointer.
func walk(node any, pointer string, visit func(pointer string, o object)) {
	switch n := node.(type) {
	case object:
		visit(pointer, n)
		for _, name := range slices.Sorted(maps.Keys(n)) {
			walk(n[name], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), visit)
		}
	case []any:
		for i, element := range n {
			walk(element, fmt.Sprint(pointer, "/", i), visit)
		}
	}
}

// at finds what a reference such as #/components/schemas/Key points to, or nil.
func at(root object, ref string) any {
	var node any = root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		o, _ := node.(object)
		node = o[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return node
}

func TestReferencesResolve(t *testing.T) {
	root := document(t)
	used := map[string]bool{}
	walk(root, "", func(pointer string, o object) {
		ref, is := o["$ref"].(string)
		if is && at(root, ref) == nil {
			t.Errorf("%s refers to %s, which is not there", pointer, ref)
		}
		used[ref] = true
	})
	for kind, all := range root["components"].(object) {
		for name := range all.(object) {
			if ref := "#/components/" + kind + "/" + name; !used[ref] && kind != "securitySchemes" {
				t.Errorf("%s is used nowhere", ref)
			}
		}
	}
}

func TestOperationIDsAreUnique(t *testing.T) {
	seen := map[string]string{}
	walk(document(t)["paths"], "", func(pointer string, o object) {
		id, is := o["operationId"].(string)
		if other, twice := seen[id]; is && twice {
			t.Errorf("%s and %s are both %s", other, pointer, id)
		}
		seen[id] = pointer
	})
}

// TestExamplesAreValid checks every example in the document against the schema beside it. That the server takes those of
// requests is tested in package server.
func TestExamplesAreValid(t *testing.T) {
	root := document(t)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("file:///openapi.json", root); err != nil {
		t.Fatal(err)
	}
	checked := 0
	walk(root, "", func(pointer string, o object) {
		beside, examples := examplesOf(o)
		if len(examples) == 0 {
			return
		}
		place := url.URL{Scheme: "file", Path: "/openapi.json", Fragment: pointer + beside}
		schema, err := compiler.Compile(place.String())
		if err != nil {
			t.Fatalf("%s: %v", pointer, err)
		}
		for name, example := range examples {
			checked++
			if err := schema.Validate(example); err != nil {
				t.Errorf("%s: example %q: %v", pointer, name, err)
			}
		}
	})
	if checked < 50 {
		t.Errorf("only %d examples were found", checked)
	}
}

// examplesOf returns an object's examples, and where their schema is from there: the examples of a body stand beside its
// schema, those of a parameter in it.
func examplesOf(o object) (schema string, examples map[string]any) {
	examples = map[string]any{}
	switch list := o["examples"].(type) {
	case []any:
		for i, e := range list {
			examples[fmt.Sprint(i)] = e
		}
		return "", examples
	case object:
		for name, e := range list {
			examples[name] = e.(object)["value"]
		}
	}
	if one, there := o["example"]; there {
		examples["example"] = one
	}
	return "/schema", examples
}

// wireTypes are the Go types of the document's schemas.
var wireTypes = map[string]reflect.Type{
	"Message": reflect.TypeFor[Message](), "Errors": reflect.TypeFor[Errors](), "Messages": reflect.TypeFor[Messages](),
	"Error": reflect.TypeFor[Error](), "Problem": reflect.TypeFor[Problem](),
	"NewInstance": reflect.TypeFor[NewInstance](), "Instance": reflect.TypeFor[Instance](), "Instances": reflect.TypeFor[Instances](),
	"LineItemV10": reflect.TypeFor[LineItem[AttributesV10]](), "AttributesV10": reflect.TypeFor[AttributesV10](),
	"LineItemV11": reflect.TypeFor[LineItem[AttributesV11]](), "AttributesV11": reflect.TypeFor[AttributesV11](),
	"RateTableV10": reflect.TypeFor[RateTable[RateItemV10]](), "RateItemV10": reflect.TypeFor[RateItemV10](),
	"RateTableV11": reflect.TypeFor[RateTable[RateItemV11]](), "RateItemV11": reflect.TypeFor[RateItemV11](),
	"AccessRequestV10": reflect.TypeFor[AccessRequest[RequestedItemV10]](), "RequestedItemV10": reflect.TypeFor[RequestedItemV10](),
	"AccessRequestV11": reflect.TypeFor[AccessRequest[RequestedItemV11]](), "RequestedItemV11": reflect.TypeFor[RequestedItemV11](),
	"SessionRequestV10": reflect.TypeFor[SessionRequest[RequestedItemV10]](), "SessionRequestV11": reflect.TypeFor[SessionRequest[RequestedItemV11]](),
	"Requester":    reflect.TypeFor[Requester](),
	"AccessAnswer": reflect.TypeFor[AccessAnswer](),
	"AnsweredItem": reflect.TypeFor[AnsweredItem](), "ChargedLineItem": reflect.TypeFor[ChargedLineItem](),
	"Status": reflect.TypeFor[Status](), "NewKey": reflect.TypeFor[NewKey](), "Key": reflect.TypeFor[Key](), "Keys": reflect.TypeFor[Keys](),
	"NewConfigValueV10": reflect.TypeFor[NewConfigValue](), "NewConfigValueV11": reflect.TypeFor[NewConfigValue](),
	"ConfigValue": reflect.TypeFor[ConfigValue](),
	"Events":      reflect.TypeFor[Events](), "Event": reflect.TypeFor[usage.Event](),
	"NewSession": reflect.TypeFor[NewSession](), "SessionID": reflect.TypeFor[SessionID](),
	"ListedSession": reflect.TypeFor[ListedSession](), "SessionWithItems": reflect.TypeFor[SessionWithItems](),
	"ItemInUse": reflect.TypeFor[ItemInUse](), "Session": reflect.TypeFor[Session](), "Sessions": reflect.TypeFor[Sessions](),
	"SessionAhead": reflect.TypeFor[SessionAhead](), "NextCharge": reflect.TypeFor[NextCharge](), "SessionAnswer": reflect.TypeFor[SessionAnswer](),
	"Action": reflect.TypeFor[Action](), "LineItemActions": reflect.TypeFor[LineItemActions](), "AllActions": reflect.TypeFor[AllActions](),
	"Condition": reflect.TypeFor[Condition](), "Conditions": reflect.TypeFor[Conditions](),
	"NewConsumptionLimit": reflect.TypeFor[NewConsumptionLimit](), "ConsumptionLimit": reflect.TypeFor[ConsumptionLimit](),
	"ConsumptionLimitState": reflect.TypeFor[ConsumptionLimitState](), "Consumption": reflect.TypeFor[Consumption](),
	"Pack": reflect.TypeFor[Pack](), "Packs": reflect.TypeFor[Packs](), "NewSale": reflect.TypeFor[NewSale](), "Sale": reflect.TypeFor[Sale](),
	"Alert": reflect.TypeFor[notify.Rule](), "Alerts": reflect.TypeFor[Alerts](),
	"AlertNotice": reflect.TypeFor[notify.Notice](), "AlertsFired": reflect.TypeFor[AlertsFired](),
	"NewWebhook": reflect.TypeFor[NewWebhook](), "Webhook": reflect.TypeFor[Webhook](), "Webhooks": reflect.TypeFor[Webhooks](),
	"Attempt": reflect.TypeFor[Attempt](), "WebhookTest": reflect.TypeFor[WebhookTest](),
	"Delivery": reflect.TypeFor[Delivery](), "Deliveries": reflect.TypeFor[Deliveries](), "DeliveryDetail": reflect.TypeFor[DeliveryDetail](),
	"Quote": reflect.TypeFor[Quote](), "QuotedItem": reflect.TypeFor[QuotedItem](), "QuotedLineItem": reflect.TypeFor[QuotedLineItem](),
	"SimulationRequest": reflect.TypeFor[SimulationRequest](), "Simulation": reflect.TypeFor[Simulation](),
	"SimulatedItem": reflect.TypeFor[SimulatedItem](), "UnpricedItem": reflect.TypeFor[UnpricedItem](),
	"Usage": reflect.TypeFor[Usage](), "UsageRow": reflect.TypeFor[UsageRow](), "UsageSums": reflect.TypeFor[UsageSums](), "Money": reflect.TypeFor[usage.Money](),
	"Balance": reflect.TypeFor[Balance](), "BalanceTotal": reflect.TypeFor[BalanceTotal](), "LineItemBalance": reflect.TypeFor[LineItemBalance](),
	"Forecast": reflect.TypeFor[Forecast](), "Pace": reflect.TypeFor[Pace](), "ForecastDay": reflect.TypeFor[ForecastDay](),
	"ForecastTokens": reflect.TypeFor[ForecastTokens](), "LineItemForecast": reflect.TypeFor[LineItemForecast](),
	"Statement": reflect.TypeFor[Statement](), "StatementTotal": reflect.TypeFor[StatementTotal](),
	"StatementInstance": reflect.TypeFor[StatementInstance](), "StatementLineItem": reflect.TypeFor[StatementLineItem](),
	"StatementItem": reflect.TypeFor[StatementItem](), "StatementFlows": reflect.TypeFor[usage.Flows](), "StatementMoney": reflect.TypeFor[usage.StatementMoney](),
	"Insights": reflect.TypeFor[Insights](), "InsightName": reflect.TypeFor[InsightName](), "Insight": reflect.TypeFor[Insight](),
	"Receipt": reflect.TypeFor[Receipt](), "ReceiptSession": reflect.TypeFor[ReceiptSession](), "ReceiptHold": reflect.TypeFor[ReceiptHold](), "ReceiptItem": reflect.TypeFor[ReceiptItem](),
	"ReceiptLineItem": reflect.TypeFor[ReceiptLineItem](), "ReceiptAllocation": reflect.TypeFor[ReceiptAllocation](),
	"ReceiptLimit": reflect.TypeFor[ReceiptLimit](), "ReceiptRefund": reflect.TypeFor[ReceiptRefund](),
	"NewRefund": reflect.TypeFor[NewRefund](), "NewAdjustment": reflect.TypeFor[NewAdjustment](), "NewTopUp": reflect.TypeFor[NewTopUp](),
	"NewTransfer": reflect.TypeFor[NewTransfer](), "LineItemRef": reflect.TypeFor[LineItemRef](),
	"ReceiptItemBack": reflect.TypeFor[ReceiptItemBack](), "RefundPart": reflect.TypeFor[RefundPart](),
	"LineItemMoved": reflect.TypeFor[LineItemMoved](), "Transfer": reflect.TypeFor[Transfer](),
	"NewHold": reflect.TypeFor[NewHold](), "HoldExtension": reflect.TypeFor[HoldExtension](), "HoldSettlement": reflect.TypeFor[HoldSettlement](),
	"SettledItem": reflect.TypeFor[SettledItem](), "HoldAnswer": reflect.TypeFor[HoldAnswer](), "Hold": reflect.TypeFor[Hold](),
	"HeldItem": reflect.TypeFor[HeldItem](), "Holds": reflect.TypeFor[Holds](),
	"BulkCharge": reflect.TypeFor[BulkCharge](), "BulkAnswer": reflect.TypeFor[BulkAnswer](),
	"NewLease": reflect.TypeFor[NewLease](), "LeaseItem": reflect.TypeFor[LeaseItem](), "LeaseReport": reflect.TypeFor[LeaseReport](),
	"LeaseItemUsed": reflect.TypeFor[LeaseItemUsed](), "LeaseAnswer": reflect.TypeFor[LeaseAnswer](), "LeasedItem": reflect.TypeFor[LeasedItem](),
	"Lease": reflect.TypeFor[Lease](), "Leases": reflect.TypeFor[Leases](), "LeaseClaims": reflect.TypeFor[LeaseClaims](),
	"RequesterClaim": reflect.TypeFor[RequesterClaim](), "LeasedItemOfClaim": reflect.TypeFor[LeasedItemOfClaim](),
	"SignIn": reflect.TypeFor[SignIn](), "SignedIn": reflect.TypeFor[SignedIn](),
	"LeaseKeys": reflect.TypeFor[LeaseKeys](), "LeaseKey": reflect.TypeFor[LeaseKey](),
	"NewAutoTopUp": reflect.TypeFor[NewAutoTopUp](), "AutoTopUp": reflect.TypeFor[AutoTopUp](), "AutoTopUps": reflect.TypeFor[AutoTopUps](),
	"AutoTopUpAcknowledgement": reflect.TypeFor[AutoTopUpAcknowledgement](), "AutoTopUpDecline": reflect.TypeFor[AutoTopUpDecline](),
	"TopUpRequest": reflect.TypeFor[notify.TopUpRequest](), "TopUpRequested": reflect.TypeFor[notify.TopUpRequested](),
	"Live": reflect.TypeFor[Live](), "LiveRow": reflect.TypeFor[LiveRow](), "InstanceOverviews": reflect.TypeFor[InstanceOverviews](),
	"InstanceOverview": reflect.TypeFor[InstanceOverview](), "EndingLineItems": reflect.TypeFor[EndingLineItems](), "EndingLineItem": reflect.TypeFor[EndingLineItem](),
	"Receipts": reflect.TypeFor[Receipts](), "RateTableVersions": reflect.TypeFor[RateTableVersions](), "RateTableVersion": reflect.TypeFor[RateTableVersion](),
	"RateTableItems": reflect.TypeFor[RateTableItems](), "RateTableDiff": reflect.TypeFor[RateTableDiff](), "RateItemChange": reflect.TypeFor[RateItemChange](),
	"FormulaRequest": reflect.TypeFor[FormulaRequest](), "FormulaValue": reflect.TypeFor[FormulaValue](), "FormulaError": reflect.TypeFor[FormulaError](),
	"ServiceState": reflect.TypeFor[ServiceState](), "Follower": reflect.TypeFor[Follower](), "Proof": reflect.TypeFor[Proof](),
	"Source":    reflect.TypeFor[usage.Source](),
	"TestClock": reflect.TypeFor[TestClock](), "ClockAdvance": reflect.TypeFor[ClockAdvance](),
}

// TestWireTypes compares the Go types that travel over the wire with the schemas of their names, both ways.
func TestWireTypes(t *testing.T) {
	root := document(t)
	schemas := at(root, "#/components/schemas").(object)
	for name := range schemas {
		if wireTypes[name] == nil {
			t.Errorf("the schema %s has no Go type here", name)
		}
	}
	asked := inRequests(root)
	for name, goType := range wireTypes {
		schema, _ := schemas[name].(object)
		if schema == nil {
			t.Errorf("the type %s has no schema", name)
			continue
		}
		compareFields(t, name, goType, schema)
		compareRequired(t, name, goType, schema, asked[name])
		if closed := schema["additionalProperties"] == false; closed != asked[name] {
			t.Errorf("%s: additionalProperties: false is for what requests carry, which the server reads strictly, and for nothing else", name)
		}
	}
	for _, name := range declared(t) {
		if wireTypes[name] == nil && wireTypes[name+"V11"] == nil { // it has a schema for each version
			t.Errorf("the type %s is not compared with a schema", name)
		}
	}
	// usage.Event carries the requester as package access has it.
	compareFields(t, "Requester", reflect.TypeFor[access.Requester](), schemas["Requester"].(object))
}

// inRequests returns the names of the schemas that requests carry.
func inRequests(root object) map[string]bool {
	found := map[string]bool{}
	var follow func(string, object)
	follow = func(_ string, o object) {
		ref, is := o["$ref"].(string)
		name, isSchema := strings.CutPrefix(ref, "#/components/schemas/")
		if is && isSchema && !found[name] {
			found[name] = true
			walk(at(root, ref), "", follow)
		}
	}
	walk(at(root, "#/components/requestBodies"), "", follow)
	return found
}

// declared returns the names of the struct types of this package.
func declared(t *testing.T) (names []string) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, is := n.(*ast.TypeSpec); is {
				if _, is := spec.Type.(*ast.StructType); is {
					names = append(names, spec.Name.Name)
				}
			}
			return true
		})
	}
	return names
}

// field is a member of a JSON object as a Go type has it.
type field struct {
	typ     string // as jsonType words it
	omitted bool   // when it is empty
	pointer bool
}

func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" {
			fields[name] = field{jsonType(f.Type), strings.HasPrefix(options, "omit"), f.Type.Kind() == reflect.Pointer}
		}
	}
	return fields
}

// anyType stands for JSON that is passed on as it came.
const anyType = "any JSON"

func jsonType(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[amount.Amount]():
		return "number"
	case reflect.TypeFor[jsontext.Value]():
		return anyType
	case reflect.TypeFor[access.Requester]():
		return "Requester"
	case reflect.TypeFor[ledger.Status]():
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Slice:
		return "array of " + jsonType(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Map:
		return "object"
	}
	for name, known := range wireTypes {
		if known == t {
			return name
		}
	}
	return t.String()
}

func schemaType(schema object) string {
	if ref, is := schema["$ref"].(string); is {
		return ref[strings.LastIndex(ref, "/")+1:]
	}
	if schema["type"] == "array" {
		return "array of " + schemaType(schema["items"].(object))
	}
	return fmt.Sprint(schema["type"])
}

func compareFields(t *testing.T, name string, goType reflect.Type, schema object) {
	t.Helper()
	properties, fields := schema["properties"].(object), fieldsOf(goType)
	for property := range properties {
		if _, there := fields[property]; !there {
			t.Errorf("%s.%s is in the document and not in %s", name, property, goType)
		}
	}
	for property, f := range fields {
		documented, _ := properties[property].(object)
		if documented == nil {
			t.Errorf("%s.%s is in %s and not in the document", name, property, goType)
		} else if is := schemaType(documented); is != f.typ && f.typ != anyType {
			t.Errorf("%s.%s is %s in the document and %s in %s", name, property, is, f.typ, goType)
		}
	}
}

// compareRequired checks what Go types say about presence. An answer has every field that is not left out when empty. A
// request must have what the server can tell from the empty value, which are pointers that are never left out.
func compareRequired(t *testing.T, name string, goType reflect.Type, schema object, asked bool) {
	t.Helper()
	list, _ := schema["required"].([]any)
	for property, f := range fieldsOf(goType) {
		switch required := slices.Contains(list, any(property)); {
		case required && f.omitted:
			t.Errorf("%s.%s is required in the document, but %s leaves it out when it is empty", name, property, goType)
		case !required && !f.omitted && (!asked || f.pointer):
			t.Errorf("%s.%s is always there in %s, but not required in the document", name, property, goType)
		}
	}
}
