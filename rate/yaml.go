package rate

import (
	"errors"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	yamltoken "github.com/goccy/go-yaml/token"

	"github.com/farebox/farebox/problem"
)

// readYAML reads the one document of a YAML file.
func readYAML(content []byte) (*node, error) {
	tokens := lexer.Tokenize(string(content))
	if err := simple(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // node.check says it better, with both lines
	if err != nil {
		return nil, yamlProblem(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			body = doc.Body
		}
	}
	if body == nil {
		return nil, onLine(1, problem.New(problem.Invalid, "the file is empty; it must have a version and items"))
	}
	return fromYAML(body)
}

func yamlProblem(err error) error {
	const text = "this is not YAML: %v; check the signs and the indentation here"
	e, ok := errors.AsType[yaml.Error](err)
	if !ok || e.GetToken() == nil {
		return onLine(1, problem.New(problem.Invalid, text, err))
	}
	return onLine(e.GetToken().Position.Line, problem.New(problem.Invalid, text, e.GetMessage()))
}

// simple refuses what makes YAML more than one document of fields, lists and texts, since a price should be where one
// reads it, and nesting so deep that reading it costs more than its length.
func simple(tokens yamltoken.Tokens) error {
	depth, begun := 0, false
	for _, t := range tokens {
		switch t.Type {
		case yamltoken.DocumentHeaderType:
			if begun {
				return onLine(t.Position.Line, problem.New(problem.Invalid, "a second document begins here; put each table in a file of its own"))
			}
		case yamltoken.MappingStartType, yamltoken.SequenceStartType:
			depth++
		case yamltoken.MappingEndType, yamltoken.SequenceEndType:
			depth--
		case yamltoken.AnchorType, yamltoken.AliasType, yamltoken.TagType, yamltoken.MergeKeyType, yamltoken.DirectiveType,
			yamltoken.MappingKeyType, yamltoken.LiteralType, yamltoken.FoldedType:
			return notSimple(t)
		}
		if depth > 16 || t.Type == yamltoken.SequenceEntryType && t.Position.Column > 100 {
			return onLine(t.Position.Line, problem.New(problem.Invalid, "this is nested too deeply; a table has items, and an item has fields"))
		}
		begun = begun || t.Type != yamltoken.CommentType
	}
	return nil
}

func notSimple(t *yamltoken.Token) error {
	return onLine(t.Position.Line, problem.New(problem.Invalid, "%.40q: anchors, tags, directives, complex keys and blocks of text are not for "+
		"rate tables; write the value out on one line, in quotes if it is text", t.Value))
}

func fromYAML(n ast.Node) (*node, error) {
	t := n.GetToken()
	at := &node{line: t.Position.Line}
	switch n := n.(type) {
	case *ast.NullNode:
		at.kind = null
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		at.kind, at.text = plain, t.Value // what the parser made of a number is not looked at
	case *ast.SequenceNode:
		at.kind = list
		for _, v := range n.Values {
			child, err := fromYAML(v)
			if err != nil {
				return nil, err
			}
			at.list = append(at.list, child)
		}
	case *ast.MappingNode:
		return fieldsOf(at, n.Values...)
	case *ast.MappingValueNode:
		return fieldsOf(at, n)
	default:
		return nil, notSimple(t)
	}
	return at, nil
}

func fieldsOf(at *node, values ...*ast.MappingValueNode) (*node, error) {
	at.kind = object
	for _, v := range values {
		child, err := fromYAML(v.Value)
		if err != nil {
			return nil, err
		}
		name := v.Key.GetToken()
		at.fields = append(at.fields, field{name.Value, name.Position.Line, child})
	}
	if len(at.fields) > 0 {
		at.line = at.fields[0].line
	}
	return at, nil
}
