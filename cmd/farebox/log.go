package main

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"unicode"
)

type logFlags struct {
	Level  logLevel `default:"info" help:"What is logged: debug, info, warn or error." env:"FAREBOX_LOG_LEVEL"`
	Format string   `enum:"text,json" default:"text" help:"How logs look: text or json. They go to stderr." env:"FAREBOX_LOG_FORMAT"`
}

// logLevel is a level of logs as the command line has it.
type logLevel struct{ slog.Level }

// UnmarshalText reads a level.
func (l *logLevel) UnmarshalText(text []byte) error {
	if l.Level.UnmarshalText(text) != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}

func (l *logFlags) install(w io.Writer) {
	options := &slog.HandlerOptions{Level: l.Level.Level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if l.Format == "json" {
		options.ReplaceAttr = visible
		handler = slog.NewJSONHandler(w, options)
	}
	slog.SetDefault(slog.New(handler))
}

// visible takes out of an attribute what JSON may leave as it is, but what would move a terminal: the format text does so by itself.
func visible(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	default:
		return a
	}
	return slog.String(a.Key, strings.Map(func(r rune) rune {
		if r >= 0x7f && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r // below that, JSON escapes
	}, text))
}
