package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"

	yaml "go.yaml.in/yaml/v4"
)

// Names that the demo's handlers have in the registry, and the demo's pool.
const (
	DemoHandler       = "demo"        // in-process
	DemoWorkerHandler = "demo-worker" // in the workers of the pool demo
	DemoPool          = "demo"
	DefaultName       = "default" // the site and the pool made from flags
)

// Sources is everything a configuration is made from.
type Sources struct {
	File    string      // used as --config when no flag gives one ("weir check FILE")
	Content []byte      // the file's bytes; nil: File is read
	Environ []string    // NAME=VALUE; only variables of flags count, and PATH
	Flags   []FlagValue // in the order given; set may stand here or in Set
	Set     []string    // key.path=value, in the order given
	Command []string    // what followed --
	Dir     string      // working directory, for relative paths; "" = the process's
	App     string      // handler that answers when no content is given; "" = the demo
	CPUs    int         // CPU quota; 0 = the Go runtime's idea of it
}

// Loaded is a configuration and where each value came from.
type Loaded struct {
	Config   Config
	Warnings Errors // accepted, but worth a word
	File     string // the configuration file; "" = none

	origins map[string]Origin
	options map[string]*yaml.Node // middleware options as written, by key path
}

// Origin says where the value at a key path came from.
func (l *Loaded) Origin(key string) Origin { return l.origins[key] }

// Default is the configuration without sites and pools, every key at its default.
func Default() Config {
	var c Config
	b := newBinder(nothing{})
	b.defaults(path{}, reflect.ValueOf(&c).Elem())
	return c
}

// DefaultPool is a pool with every key at its default, Dir still relative.
func DefaultPool(name string) Pool {
	p := Pool{Name: name}
	b := newBinder(nothing{})
	b.defaults(path{"pools." + name, "pools.*"}, reflect.ValueOf(&p).Elem())
	return p
}

// Load reads all sources, reports every problem in one pass as [Errors], and resolves the rest to a
// complete configuration. Flags win over the environment, that over the file, that over defaults.
func Load(s Sources, reg Registry) (*Loaded, error) {
	if reg == nil {
		reg = nothing{}
	}
	if s.Dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("config: working directory: %w", err)
		}
		s.Dir = wd
	}
	if s.CPUs == 0 {
		s.CPUs = runtime.GOMAXPROCS(0)
	}
	l := &loader{binder: newBinder(reg), s: s}
	l.env, l.flags = gather(s)
	l.checkFlagNames()
	root := reflect.ValueOf(&l.c).Elem()
	l.defaults(path{}, root)
	l.pickContent()
	r := &resolver{loader: l}
	if l.usable() { // without content every further message would be noise
		l.bindLayers(root)
	}
	if l.usable() {
		r.resolve()
		r.check()
	}
	if len(l.errs) > 0 {
		l.errs.sort()
		return nil, l.errs
	}
	r.warnings.sort()
	return &Loaded{Config: l.c, Warnings: r.warnings, File: l.file, origins: l.origins,
		options: l.options}, nil
}

// loader is one Load.
type loader struct {
	*binder
	s          Sources
	c          Config
	env, flags []given
	file       string // "" without --config
	content    string // what else is served, as the user wrote it: "--respond", "the demo"
	pool       string // pool that the pool flags describe; "" = none
	broken     bool   // the file has no tree to check
}

// usable reports whether cross-checks make sense: there is content and it could be read at all.
func (l *loader) usable() bool {
	return !l.broken && (l.file != "" || l.content != "")
}

func (l *loader) add(o Origin, key, message, expected, suggestion string) {
	e := o.errorAt(key)
	e.Message, e.Expected, e.Suggestion = message, expected, suggestion
	l.errs = append(l.errs, e)
}

// bindLayers binds file or content, environment, flags, and --set, in this order.
func (l *loader) bindLayers(root reflect.Value) {
	if l.file != "" {
		l.bindFile(root)
	}
	for _, g := range append(l.env, l.flags...) {
		l.bindFlag(g, root)
	}
	for _, s := range l.s.Set {
		l.bindSet(s, root)
	}
}

func (l *loader) bindFile(root reflect.Value) {
	l.src = Origin{Kind: FromFile, File: l.file}
	doc, err := l.parseFile()
	if err != nil {
		l.errs = append(l.errs, err)
		l.broken = true
		return
	}
	if doc != nil {
		l.bind(path{}, doc, root)
	}
}

// parseFile reads the file as one YAML document; nil when it is empty.
func (l *loader) parseFile() (*yaml.Node, *Error) {
	data := l.s.Content
	if data == nil {
		f, err := os.Open(absolute(l.s.Dir, l.file))
		if err != nil {
			return nil, &Error{Source: "--config", Message: cause(err).Error() + ": " + l.file,
				Expected: "a readable file"}
		}
		data, err = io.ReadAll(io.LimitReader(f, fileBytesMax+1))
		_ = f.Close() // opened for reading only
		if err != nil {
			return nil, &Error{File: l.file, Message: cause(err).Error(), Expected: "a readable file"}
		}
	}
	if len(data) > fileBytesMax {
		return nil, &Error{File: l.file, Message: "is too large",
			Expected: "at most " + formatBytes(fileBytesMax)}
	}
	docs := []yaml.Node{}
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		return nil, syntaxError(l.file, err)
	}
	if len(docs) == 0 || len(docs[0].Content) == 0 || isNull(docs[0].Content[0]) {
		return nil, nil
	}
	if len(docs) > 1 {
		n := docs[1]
		return nil, &Error{File: l.file, Line: max(1, n.Line), Column: max(1, n.Column),
			Message: "a second document begins", Expected: "one document"}
	}
	return docs[0].Content[0], nil
}

func syntaxError(file string, err error) *Error {
	e := &Error{File: file, Line: 1, Column: 1, Message: err.Error(), Expected: "YAML"}
	var le *yaml.LoadError
	if many := (*yaml.LoadErrors)(nil); errors.As(err, &many) && len(many.Errors) > 0 {
		le = many.Errors[0]
	} else if !errors.As(err, &le) {
		return e
	}
	e.Message = le.Message
	if le.ContextMsg != "" {
		e.Message += " " + le.ContextMsg
	}
	if le.Mark.Line > 0 {
		e.Line, e.Column = le.Mark.Line, le.Mark.Column
	}
	return e
}

// cause is the bare system error of a file operation.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
