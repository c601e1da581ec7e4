package api

import "github.com/go-json-experiment/json/jsontext"

// Insights lists the questions that can be asked.
type Insights struct {
	Insights []InsightName `json:"insights"`
}

// InsightName is a question, and what it can be asked with besides limit and offset.
type InsightName struct {
	Name       string   `json:"name"`
	Question   string   `json:"question"`
	Parameters []string `json:"parameters"`
}

// Insight is a page of an answer: rows of cells, in the order of the columns. A cell is a text, empty where there is nothing to say, or a
// number; times are milliseconds since 1970.
type Insight struct {
	Name    string         `json:"name"`
	Time    int64          `json:"time"`
	Columns []string       `json:"columns"`
	Rows    jsontext.Value `json:"rows"`
	Total   int            `json:"total"`
}
