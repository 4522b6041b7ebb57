package admin

import (
	"strconv"
	"strings"
)

// exposition is metrics in the text format of Prometheus, version 0.0.4. Samples of one family follow
// its head.
type exposition struct{ b []byte }

// metricKind is the type of a family.
type metricKind string

// Kinds of metrics.
const (
	counter metricKind = "counter"
	gauge   metricKind = "gauge"
)

// family begins a family.
func (x *exposition) family(name string, kind metricKind, help string) {
	x.b = append(x.b, "# HELP "+name+" "+helpEscapes.Replace(help)+"\n# TYPE "+name+" "+
		string(kind)+"\n"...)
}

// sample adds one value. labels are names and values in turn.
func (x *exposition) sample(name string, value float64, labels ...string) {
	x.b = append(x.b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		mark := ","
		if i == 0 {
			mark = "{"
		}
		x.b = append(x.b, mark+labels[i]+`="`+labelEscapes.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		x.b = append(x.b, '}')
	}
	x.b = append(x.b, ' ')
	x.b = strconv.AppendFloat(x.b, value, 'f', -1, 64) // whole numbers as such
	x.b = append(x.b, '\n')
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
