package rate

import (
	"slices"
	"strings"
	"testing"

	"github.com/farebox/farebox/problem"
	"github.com/farebox/farebox/token"
)

func importText(t *testing.T, content, perUnit string) (items, leftOut []string) {
	t.Helper()
	got, leftOut, err := ImportLiteLLM([]byte(content), token.MustParse(perUnit))
	if err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	for _, item := range got {
		if item.Version != "" {
			t.Errorf("%s has version %q", item.Name, item.Version)
		}
		items = append(items, item.Name+" "+item.Rate.String())
	}
	return items, leftOut
}

func TestImportLiteLLM(t *testing.T) {
	items, leftOut := importText(t, `{
		"sample_spec": {"input_cost_per_token": 1, "mode": "one of chat, image"},
		"quill-2": {
			"mode": "chat", "max_tokens": 8192, "supports_vision": true, "litellm_provider": null,
			"output_cost_per_token": 1.5e-05,
			"input_cost_per_token": 0.000003,
			"cache_read_input_token_cost": 3E-7,
			"cache_creation_input_token_cost_above_1hr": 6e-06,
			"input_cost_per_token_above_200k_tokens": 6e-06,
			"input_cost_per_token_batches": 0,
			"cache_read_input_token_cost_per_audio_token": 0.10,
			"search_context_cost_per_query": {"size_low": 0.01, "size_high": 2.5e-2}
		},
		"lab/easel": {"output_cost_per_image": 0.04, "input_cost_per_image_token": 1e-5, "cost_per_call": 1, "_cost": 2}
	}`, "1")
	want := []string{
		"lab/easel/_cost 2", "lab/easel/cost_per_call 1", "lab/easel/input_per_image_token 0.00001", "lab/easel/output_per_image 0.04",
		"quill-2/cache_creation_input_above_1hr 0.000006", "quill-2/cache_read_input 0.0000003", "quill-2/cache_read_input_per_audio_token 0.1",
		"quill-2/input 0.000003", "quill-2/input_above_200k_tokens 0.000006", "quill-2/input_batches 0", "quill-2/output 0.000015",
		"quill-2/search_context_per_query/size_high 0.025", "quill-2/search_context_per_query/size_low 0.01",
	}
	if !slices.Equal(items, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(items, "\n"), strings.Join(want, "\n"))
	}
	if len(leftOut) != 0 {
		t.Errorf("left out: %q", leftOut)
	}
}

func TestImportLiteLLMSaysWhatItLeavesOut(t *testing.T) {
	items, leftOut := importText(t, `{
		"m": {
			"a_cost": "0.1", "b_cost": null, "c_cost": true, "d_cost": [1], "Cost": -1, "e_cost": 1e20, "f_cost": 1e-9999, "g_cost": -0.0,
			"h_cost": {"x": 1, "y": {"z": 1}, "w": -2},
			"tiers": [{"range": [0, 1], "input_cost_per_token": 1}, {"deep": {"output_cost": 2}}],
			"input_cost_per_token": 1, "input_token_cost": 2,
			"a\tb_cost": 1,
			"max_tokens": 8192, "factors": {"us": 1.1, "names": {"deep": 6}, "text": "7"}
		},
		"m": {"input_cost": 3},
		"note": "prices of today"
	}`, "1")
	want := []string{"m/g 0", "m/h/x 1", "m/input 1"}
	if !slices.Equal(items, want) {
		t.Errorf("got %q, want %q", items, want)
	}
	want = []string{
		`m: a_cost: a string found, expected a number`,
		`m: b_cost: null found, expected a number`,
		`m: c_cost: true or false found, expected a number`,
		`m: d_cost: a list found, expected a number`,
		`m: Cost: -1 is negative`,
		`m: e_cost: 1e20 makes a rate that has more than 19 digits before the point`,
		`m: f_cost: 1e-9999 is out of all bounds`,
		`m: h_cost.y: an object found, expected a number`,
		`m: h_cost.w: -2 is negative`,
		`m: tiers[0].input_cost_per_token: lies inside of a field that is no cost`,
		`m: tiers[1].deep.output_cost: lies inside of a field that is no cost`,
		`m: input_token_cost: m: input_cost_per_token makes an item m/input too; that one is kept`,
		`m: "a\tb_cost": the item cannot be called so: name: "m/a\tb" has a control character; remove it`,
		`m: factors.us: 1.1 is not called a cost; if it is a factor of the costs, add items for what it makes dearer`,
		`m: factors.names.deep: 6 is not called a cost; if it is a factor of the costs, add items for what it makes dearer`,
		`m: input_cost: m: input_cost_per_token makes an item m/input too; that one is kept`,
		`note: a string found, expected an object`,
	}
	if !slices.Equal(leftOut, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(leftOut, "\n"), strings.Join(want, "\n"))
	}
}

func TestImportLiteLLMRoundsOnceHalfToEven(t *testing.T) {
	for _, row := range []struct{ cost, perUnit, want string }{
		{"4.5e-12", "1", "0.000000000004"},                                // a half, to even: down
		{"5.5e-12", "1", "0.000000000006"},                                // a half, to even: up
		{"4.500000000000000000000000001e-12", "1", "0.000000000005"},      // past the half
		{"3.3333333333333335e-05", "1", "0.000033333333"},                 // what a binary float leaves behind
		{"4.4999999999995e-12", "10", "0.000000000045"},                   // rounded after the product, not before
		{"0.4999999999995", "0.000000000001", "0"},                        // 12 digits and 12 digits make 24
		{"9999999999999999998.9999999999995", "1", "9999999999999999999"}, // carried through
	} {
		items, leftOut := importText(t, `{"m": {"x_cost": `+row.cost+`}}`, row.perUnit)
		if len(items) != 1 || items[0] != "m/x "+row.want {
			t.Errorf("%s x %s: got %q, want %s", row.cost, row.perUnit, items, row.want)
		}
		if len(leftOut) != 1 || !strings.HasSuffix(leftOut[0], "it is rounded to "+row.want) {
			t.Errorf("%s x %s: said %q", row.cost, row.perUnit, leftOut)
		}
	}
	for _, row := range []struct{ cost, perUnit, want string }{
		{"4.5e-13", "1000000", "0.00000045"}, // what the multiplier makes room for is exact
		{"0.000003", "100", "0.0003"},
		{"1.000000000000000000000000000000", "1", "1"},
	} {
		items, leftOut := importText(t, `{"m": {"x_cost": `+row.cost+`}}`, row.perUnit)
		if len(items) != 1 || items[0] != "m/x "+row.want || len(leftOut) != 0 {
			t.Errorf("%s x %s: got %q and %q, want %s", row.cost, row.perUnit, items, leftOut, row.want)
		}
	}
}

func TestImportLiteLLMRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"":                           "line 1: the file is empty",
		"[]":                         "line 1: a list found, expected an object of models",
		"{\n\"m\": {\"a_cost\": 1,}": "line 2: this is not JSON",
		"{\"m\": {}}\nx":             "line 2: this is not JSON",
		"{\"m\":\n\"\xff\"}":         "line 2: this is not UTF-8",
	} {
		_, _, err := ImportLiteLLM([]byte(content), token.FromInt(1))
		if err == nil || !strings.HasPrefix(err.Error(), want) || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
	for _, perUnit := range []int64{0, -1} {
		if _, _, err := ImportLiteLLM([]byte("{}"), token.FromInt(perUnit)); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%d tokens per unit: %v", perUnit, err)
		}
	}
}

func FuzzImportLiteLLM(f *testing.F) {
	for _, content := range []string{
		`{"m": {"input_cost_per_token": 3e-06, "x_cost": {"y": 1, "z": [1]}, "tiers": [{"a_cost": 1}]}}`,
		`{"m": {"a_cost": 1e-99, "b_cost": -1, "c_cost": 1e99999999999, "d_cost": 0e5}}`, `{"a": 1, "a": {}}`, "\ufeff[", "{\"\": {\"cost\": 1}}",
	} {
		f.Add([]byte(content), "1")
		f.Add([]byte(content), "0.001")
	}
	f.Fuzz(func(t *testing.T, content []byte, multiplier string) {
		perUnit, err := token.Parse(multiplier)
		if err != nil {
			return
		}
		items, _, err := ImportLiteLLM(content, perUnit)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatalf("%#v", err)
			}
			return
		}
		table := Table{Version: "1", Items: items}
		if err := table.Validate(); err != nil && len(items) > 0 {
			t.Fatalf("it makes what Validate refuses: %v", err)
		}
	})
}
