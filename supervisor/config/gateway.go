package config

import (
	"fmt"
	"slices"
	"strings"
)

// Protocol is what workers speak where dispatch is http.
type Protocol string

// Protocols.
const (
	ProtocolHTTP    Protocol = "http"
	ProtocolFastCGI Protocol = "fastcgi"
	ProtocolUWSGI   Protocol = "uwsgi"
)

// FastCGI is which files the workers of a pool run. Without a root each is one program.
type FastCGI struct {
	Root       string   `json:"root"`       // absolute directory; "" = none
	Index      string   `json:"index"`      // of paths that end with a slash
	Extensions []string `json:"extensions"` // of files that are run
	Fallback   string   `json:"fallback"`   // for paths that name no script; "" = 404
}

const indexDefault = "index.php"

var extensionsDefault = []string{".php"}

var gatewayKeys = []Key{
	{
		Path: "pools.*.protocol", Default: "http", Reload: Workers, Values: []string{"http", "fastcgi", "uwsgi"},
		Doc: "What the workers speak on WEIR_SOCKET. fastcgi (php-fpm) and uwsgi get CGI variables; they are " +
			"not asked by GETs (ready.probe, warmup, ping.http), and a body of unknown length is kept until " +
			"it is whole (see spool).",
	},
	{
		Path: "pools.*.fastcgi.root", expected: "a directory",
		Doc: "Where the scripts are that the workers run (SCRIPT_FILENAME); nothing that is not a file below it " +
			"is. Without it each worker is one program, which gets every path as PATH_INFO.",
	},
	{
		Path: "pools.*.fastcgi.index", Default: indexDefault, expected: "a file name",
		Doc: "The script of a path that ends with a slash.",
	},
	{
		Path: "pools.*.fastcgi.extensions", Default: "[.php]", expected: "a list such as [.php]",
		Doc: "Of the files that are run. What follows in a path is PATH_INFO.",
	},
	{
		Path: "pools.*.fastcgi.fallback", expected: "a path such as /index.php",
		Doc: "The script, from fastcgi.root, of paths that name none; without it they get 404.",
	},
}

// checkProtocol holds a pool to what can be done over its protocol.
func (r *resolver) checkProtocol(key string, p *Pool) {
	at := key + ".protocol"
	if p.Protocol == ProtocolHTTP {
		r.checkNoScripts(key+".fastcgi", &p.FastCGI, "has no effect without protocol: fastcgi",
			"protocol: fastcgi beside it")
		return
	}
	says := "workers that speak " + string(p.Protocol)
	switch {
	case len(p.Command) == 0:
		if _, failed := r.failedBelow(key + ".command"); !failed {
			r.problem(at, "the workers of a pool without command speak http", "a pool with command", "")
		}
	case p.Dispatch != DispatchHTTP:
		r.problem(at, says+" are dispatched to as those of http", "dispatch: http", "")
	}
	if p.Ready.Probe.Kind == KindHTTP {
		r.problem(key+".ready.probe", says+" do not answer GETs", "connect or notify", "")
	}
	if len(p.Warmup) > 0 {
		r.problem(key+".warmup", says+" do not answer GETs", "no warmup", "")
	}
	if p.Ping.HTTP != "" {
		r.problem(key+".ping.http", says+" do not answer GETs", "no ping.http", "")
	}
	if p.Protocol != ProtocolFastCGI {
		r.checkNoScripts(key+".fastcgi", &p.FastCGI, "has no effect with protocol: "+string(p.Protocol),
			"protocol: fastcgi")
		return
	}
	r.checkFastCGI(key+".fastcgi", &p.FastCGI)
}

// checkNoScripts refuses keys of fastcgi.
func (r *resolver) checkNoScripts(key string, f *FastCGI, why, expected string) {
	for _, k := range []struct {
		name  string
		given bool
	}{
		{".root", f.Root != ""}, {".index", f.Index != indexDefault},
		{".extensions", !slices.Equal(f.Extensions, extensionsDefault)}, {".fallback", f.Fallback != ""},
	} {
		if _, failed := r.failedBelow(key + k.name); k.given && !failed {
			r.problem(key+k.name, why, expected, "")
		}
	}
}

func (r *resolver) checkFastCGI(key string, f *FastCGI) {
	if f.Root == "" {
		if _, failed := r.failedBelow(key + ".root"); !failed {
			r.checkNoScripts(key, f, "has no effect without fastcgi.root", "fastcgi.root beside it")
		}
		return
	}
	r.checkDir(key+".root", f.Root)
	if f.Index != "" && strings.ContainsAny(f.Index, "/\x00") || strings.HasPrefix(f.Index, ".") {
		r.problem(key+".index", fmt.Sprintf("%q is no file name", f.Index), row("pools.*.fastcgi.index").Expected(), "")
	}
	for _, e := range f.Extensions {
		if len(e) < 2 || e[0] != '.' || strings.ContainsAny(e, "/\x00") {
			suggestion := ""
			if e != "" && !strings.ContainsAny(e, "./\x00") {
				suggestion = "." + e
			}
			r.problem(key+".extensions", fmt.Sprintf("%q is no extension", e), "one such as .php", suggestion)
		}
	}
	if len(f.Extensions) > extensionsMax {
		r.problem(key+".extensions", fmt.Sprintf("has %d items", len(f.Extensions)),
			fmt.Sprintf("at most %d", extensionsMax), "")
	}
	if f.Fallback != "" && (!strings.HasPrefix(f.Fallback, "/") || strings.HasSuffix(f.Fallback, "/") ||
		strings.ContainsAny(f.Fallback, "?#\x00")) {
		suggestion := ""
		if !strings.ContainsAny(f.Fallback, "/?#\x00") {
			suggestion = "/" + f.Fallback
		}
		r.problem(key+".fallback", fmt.Sprintf("%q is no path", f.Fallback),
			row("pools.*.fastcgi.fallback").Expected(), suggestion)
	}
}
