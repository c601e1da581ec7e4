package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/farebox/farebox/api"
	"github.com/farebox/farebox/token"
)

// counts are tokens of the model.
type counts struct {
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
}

// request is what of a chat completion decides what it may cost, and the body that is passed on.
type request struct {
	model     string
	estimate  counts
	wantsLast bool // the caller asked for the chunk that has the usage
	body      []byte
}

// bytesPerToken is how many bytes a token has on average, where nothing better is known.
const bytesPerToken = 4

func tokensIn(bytes int) int64 { return int64((bytes + bytesPerToken - 1) / bytesPerToken) }

// Bounds of what may be asked for.
const (
	mostTokens  = 1 << 30
	mostChoices = 128
)

// readRequest reads a chat completion. Its prompt is estimated by its size; its answer is as long as the request allows. What is passed on says so, and has the
// usage told at the end of a stream.
func readRequest(body []byte, usualMost int64) (*request, error) {
	var all map[string]jsontext.Value
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, errors.New("the body is not a JSON object")
	}
	var in struct {
		Model         string         `json:"model"`
		Messages      jsontext.Value `json:"messages"`
		Tools         jsontext.Value `json:"tools"`
		Stream        bool           `json:"stream"`
		MaxTokens     *int64         `json:"max_tokens"`
		MaxCompletion *int64         `json:"max_completion_tokens"`
		N             *int64         `json:"n"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, errors.New("the body is not a chat completion request: " + err.Error())
	}
	if in.Model == "" || len(in.Messages) == 0 {
		return nil, errors.New("model and messages are required")
	}
	most, choices := usualMost, int64(1)
	switch {
	case in.MaxCompletion != nil:
		most = *in.MaxCompletion
	case in.MaxTokens != nil:
		most = *in.MaxTokens
	default:
		all["max_tokens"] = jsontext.Value(strconv.FormatInt(most, 10))
	}
	if in.N != nil {
		choices = *in.N
	}
	if most < 1 || most > mostTokens || choices < 1 || choices > mostChoices {
		return nil, fmt.Errorf("max_tokens must be from 1 to %d, and n must be from 1 to %d", mostTokens, mostChoices)
	}
	if in.Stream {
		all["stream_options"] = jsontext.Value(`{"include_usage":true}`)
	}
	out, err := json.Marshal(all, json.Deterministic(true))
	return &request{
		model: in.Model, estimate: counts{tokensIn(len(in.Messages) + len(in.Tools)), most * choices}, wantsLast: in.StreamOptions.IncludeUsage, body: out,
	}, err
}

// usage is what a model tells of an answer.
type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
}

// said is the part of an answer or a chunk that is counted where nobody tells.
type said struct {
	Content   string         `json:"content"`
	Reasoning string         `json:"reasoning_content"`
	Refusal   string         `json:"refusal"`
	ToolCalls jsontext.Value `json:"tool_calls"`
}

func (s *said) tokens() int64 {
	return tokensIn(len(s.Content) + len(s.Reasoning) + len(s.Refusal) + len(s.ToolCalls))
}

// usedBy reads what an answer came to; without a usage it is counted.
func usedBy(body []byte, asked *request) counts {
	var in struct {
		Usage   *usage `json:"usage"`
		Choices []struct {
			Message said `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return asked.estimate // it is an answer all the same
	}
	if in.Usage != nil {
		return counts{in.Usage.Prompt, in.Usage.Completion}
	}
	n := counts{Input: asked.estimate.Input}
	for i := range in.Choices {
		n.Output += in.Choices[i].Message.tokens()
	}
	return n
}

// settlementOf is what Hold settles for these counts, to the byte: under the same key it counts once, whoever sends it.
func settlementOf(model string, n counts) api.HoldSettlement {
	final := true
	input, output := token.FromInt(n.Input), token.FromInt(n.Output)
	return api.HoldSettlement{Final: &final, RequestedItems: &[]api.SettledItem{
		{Item: "input", Version: model, Count: &input}, {Item: "output", Version: model, Count: &output},
	}}
}
