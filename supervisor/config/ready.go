package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Ready says when a started worker may take requests.
type Ready struct {
	Probe   Probe    `json:"probe"`
	Timeout Duration `json:"timeout"` // from spawn to rotation, warm-up included
}

// Probe is how readiness is seen.
type Probe struct {
	HTTP   string    `json:"http"`   // path of a GET; "" for the other kinds
	Status int       `json:"status"` // what the GET must be answered with
	Kind   ProbeKind `json:"kind" config:"derived"`
}

// ProbeKind is the kind of a [Probe].
type ProbeKind string

// Probe kinds.
const (
	KindConnect ProbeKind = "connect" // its socket accepts a connection
	KindNotify  ProbeKind = "notify"  // READY=1 on NOTIFY_SOCKET
	KindHTTP    ProbeKind = "http"    // a GET is answered as expected
	KindExec    ProbeKind = "exec"    // sidecars only: its program has been started
)

// Probes without a request.
var (
	ProbeConnect = Probe{Kind: KindConnect}
	ProbeNotify  = Probe{Kind: KindNotify}
	ProbeExec    = Probe{Kind: KindExec}
)

// ProbeHTTP is a GET of path that must be answered with status.
func ProbeHTTP(path string, status int) Probe {
	return Probe{HTTP: path, Status: status, Kind: KindHTTP}
}

func (p *Probe) setWord(_ *Key, s string) *unitError {
	words := []string{string(KindConnect), string(KindNotify)}
	if !slices.Contains(words, s) {
		return &unitError{fmt.Sprintf("%q is not known", s), nearest(s, words)}
	}
	*p = Probe{Kind: ProbeKind(s)}
	return nil
}

func (p *Probe) setMapped() *unitError {
	if !strings.HasPrefix(p.HTTP, "/") {
		return &unitError{"has no http that begins with /", ""}
	}
	if p.Status == 0 {
		p.Status = 200
	}
	p.Kind = KindHTTP
	return nil
}

func (p *Probe) words() []string {
	if p.Kind != KindHTTP {
		return []string{string(p.Kind)}
	}
	return []string{"http", p.HTTP, "status", strconv.Itoa(p.Status)}
}

// String is connect, notify, or {http: /healthz, status: 200}.
func (p Probe) String() string { return formText(&p) }

// Warmup is a request that a worker must answer before it takes others.
type Warmup struct {
	Path    string   `json:"path"`
	Host    string   `json:"host"`
	Status  int      `json:"status"`
	Timeout Duration `json:"timeout"` // of this request
}

func (w *Warmup) setWord(_ *Key, s string) *unitError {
	if !strings.HasPrefix(s, "/") {
		return &unitError{fmt.Sprintf("%q does not begin with /", s), ""}
	}
	w.Path = s
	return nil
}

func (w *Warmup) setMapped() *unitError {
	if !strings.HasPrefix(w.Path, "/") {
		return &unitError{"has no path that begins with /", ""}
	}
	return nil
}

func (w *Warmup) words() []string {
	return []string{"path", w.Path, "host", w.Host, "status", strconv.Itoa(w.Status),
		"timeout", w.Timeout.String()}
}

// String is {path: /, host: localhost, status: 200, timeout: 30s}.
func (w Warmup) String() string { return formText(&w) }
