package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Upstream is one of the servers of a pool without workers: a name, or an address.
type Upstream struct {
	Host string // lower-case name, or IP address
	Port uint16
}

// Authority is HOST:PORT.
func (u Upstream) Authority() string { return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port))) }

// URL is http://HOST:PORT.
func (u Upstream) URL() string { return "http://" + u.Authority() }

// Check is how upstreams are asked whether they are well.
type Check struct {
	HTTP    string   `json:"http"` // path and query; "" = they are not asked
	Status  int      `json:"status"`
	Every   Duration `json:"every"`
	Timeout Duration `json:"timeout"`
	Rise    int      `json:"rise"` // answers in a row that bring one back
	Fall    int      `json:"fall"` // failures in a row that take one out
}

// ProxyOut is the PROXY header that connections to upstreams begin with.
type ProxyOut string

// PROXY headers to upstreams.
const (
	ProxyOutOff ProxyOut = "off"
	ProxyOutV1  ProxyOut = "v1"
	ProxyOutV2  ProxyOut = "v2"
)

// Version is 1 or 2, 0 for none.
func (p ProxyOut) Version() int {
	return max(0, slices.Index([]ProxyOut{ProxyOutOff, ProxyOutV1, ProxyOutV2}, p))
}

const upstreamForm = "http://HOST:PORT"

var upstreamKeys = []Key{
	{
		Path: "pools.*.upstreams", expected: "a list such as [http://10.0.0.5:8080]",
		Doc: "Servers that are not ours, instead of workers: http://HOST or http://HOST:PORT. " +
			"Each address of a name is one of them.",
	},
	{
		Path: "pools.*.resolve", Default: "30s", min: int64(resolveMin),
		Doc: "How often the names among upstreams are looked up; without an answer the last one holds.",
	},
	{
		Path: "pools.*.proxy_protocol", Default: "off", Values: []string{"off", "v1", "v2"},
		Doc: "Connections to upstreams begin with a PROXY header that names the client; each then serves " +
			"one request.",
	},
	{
		Path: "pools.*.check.http", expected: "a path such as /healthz",
		Doc: "Ask each upstream by GET before it gets requests, and for as long as it does.",
	},
	{
		Path: "pools.*.check.status", Default: "200", min: statusMin, max: statusMax,
		Doc: "The answer that check.http wants.",
	},
	{Path: "pools.*.check.every", Default: "10s", min: int64(checkEveryMin), Doc: "Between two checks."},
	{
		Path: "pools.*.check.timeout", Default: "5s", min: int64(checkEveryMin),
		Doc: "For the whole of one check.",
	},
	{
		Path: "pools.*.check.rise", Default: "1", min: 1, max: checksMax,
		Doc: "Checks in a row that must pass before an upstream gets requests.",
	},
	{
		Path: "pools.*.check.fall", Default: "3", min: 1, max: checksMax,
		Doc: "Checks in a row that must fail before it gets none; what it holds goes on.",
	},
}

// ParseUpstream parses one item of upstreams.
func ParseUpstream(s string) (Upstream, error) {
	u, err := parseUpstream(s)
	if err != nil {
		return Upstream{}, err
	}
	return u, nil
}

func parseUpstream(s string) (Upstream, *unitError) {
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case !found:
		suggestion := "http://" + s
		if _, err := parseUpstream(suggestion); err != nil || s == "" {
			suggestion = ""
		}
		return Upstream{}, &unitError{fmt.Sprintf("%q is no URL", s), suggestion}
	case strings.EqualFold(scheme, "https"):
		return Upstream{}, &unitError{fmt.Sprintf("%q: TLS to upstreams is not supported yet", s), ""}
	case !strings.EqualFold(scheme, "http"):
		return Upstream{}, &unitError{fmt.Sprintf("%q: the scheme %s is not supported", s, scheme), ""}
	}
	u, err := url.Parse("http://" + rest)
	if err != nil {
		return Upstream{}, &unitError{fmt.Sprintf("%q is no URL", s), ""}
	}
	bare := "http://" + u.Host
	switch {
	case u.User != nil:
		return Upstream{}, &unitError{fmt.Sprintf("%q holds a user, which is not supported", s), bare}
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Upstream{}, &unitError{fmt.Sprintf("%q has a path: requests keep their own", s), bare}
	}
	out := Upstream{Host: strings.ToLower(u.Hostname()), Port: 80}
	if ip, err := netip.ParseAddr(out.Host); err == nil && ip.Zone() == "" {
		out.Host = ip.Unmap().String()
	} else if !isHostName(out.Host) {
		return Upstream{}, &unitError{fmt.Sprintf("%q: %q is neither a name nor an address", s, out.Host), ""}
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Upstream{}, &unitError{fmt.Sprintf("%q: the port is not in 1 to 65535", s), ""}
		}
		out.Port = uint16(n)
	}
	return out, nil
}

// isHostName says whether s may be looked up: labels of letters, digits, - and _.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > hostBytesMax {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > labelBytesMax {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return strings.Trim(s[strings.LastIndexByte(s, '.')+1:], "0123456789") != "" // else a bad address
}

// checkUpstreams looks at the servers of a pool that has upstreams.
func (r *resolver) checkUpstreams(key string, p *Pool) {
	if _, has := r.origins[key+".upstreams"]; !has {
		return
	}
	if _, failed := r.failedBelow(key + ".upstreams"); len(p.Upstreams) == 0 && !failed {
		r.problem(key+".upstreams", "is empty", row("pools.*.upstreams").Expected(), "")
	}
	seen := map[Upstream]bool{}
	for _, s := range p.Upstreams {
		u, err := parseUpstream(s)
		switch {
		case err != nil:
			r.problem(key+".upstreams", err.what, upstreamForm, err.suggestion)
		case seen[u]:
			r.problem(key+".upstreams", fmt.Sprintf("%q is there twice", s), "", "")
		}
		seen[u] = true
	}
	if len(p.Upstreams) > upstreamsMax {
		r.problem(key+".upstreams", fmt.Sprintf("has %d items", len(p.Upstreams)),
			fmt.Sprintf("at most %d", upstreamsMax), "")
	}
	if c := p.Check.HTTP; c != "" && (!strings.HasPrefix(c, "/") || strings.ContainsAny(c, " #\r\n\t")) {
		r.problem(key+".check.http", fmt.Sprintf("%q is no path", c), row("pools.*.check.http").Expected(), "")
	}
	r.checkNotHosted(p)
}

// checkNotHosted finds handlers that are to run in a pool that has no processes of ours.
func (r *resolver) checkNotHosted(p *Pool) {
	for _, s := range r.c.Sites {
		for _, a := range s.Apps {
			if a.Pool == p.Name && a.Handler != "" {
				r.problem(appKey(s.Name, a.Prefix)+".handler",
					fmt.Sprintf("pool %s has upstreams and cannot host a handler", p.Name),
					"a pool without command and upstreams", "")
			}
		}
	}
}
