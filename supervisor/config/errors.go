package config

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one problem, and where it is.
type Error struct {
	File         string // path as given; "" when the value came from elsewhere
	Line, Column int    // from 1; 0 = unknown
	Source       string // "--listen", "WEIR_LISTEN", "--set KEY"; "" for files
	Key          string // key path; "" when no key is concerned
	Message      string // what is wrong
	Expected     string // what would be right; may be ""
	Suggestion   string // what was probably meant; may be ""
}

// Error is "file:line:column: key: what, expected what, did you mean …".
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.File != "" && e.Line > 0:
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	case e.File != "":
		fmt.Fprintf(&b, "%s: ", e.File)
	case e.Source != "":
		fmt.Fprintf(&b, "%s: ", e.Source)
	}
	if e.Key != "" && e.Source == "" {
		fmt.Fprintf(&b, "%s: ", e.Key)
	}
	b.WriteString(e.Message)
	if e.Expected != "" {
		fmt.Fprintf(&b, ", expected %s", e.Expected)
	}
	if e.Suggestion != "" {
		fmt.Fprintf(&b, ", did you mean %s?", e.Suggestion)
	}
	return b.String()
}

// Errors is every problem of one Load, those of the file first and in its order.
type Errors []*Error

// Error is one line per problem.
func (es Errors) Error() string {
	lines := make([]string, 0, len(es)+1)
	for i, e := range es {
		if i == errorsMax {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(es)-errorsMax))
			break
		}
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first *Error.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		switch {
		case (a.File != "") != (b.File != ""):
			if a.File != "" {
				return -1
			}
			return 1
		case a.Line != b.Line:
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
