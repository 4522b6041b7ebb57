package supervisor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"weir/protocol/proxyproto"
	"weir/supervisor/config"
)

// upstreamNet is what is asked of the network about upstreams; tests have another one.
type upstreamNet struct {
	lookUp func(ctx context.Context, host string) ([]netip.Addr, error)
	// ask sends a GET and returns "" for the status that is wanted, else what was wrong.
	ask func(ctx context.Context, at Endpoint, host, path string, status int) string
}

var realNet = upstreamNet{
	lookUp: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	},
	ask: func(ctx context.Context, at Endpoint, host, path string, status int) string {
		return askHTTP(ctx, at, host, path, "weir-check", status)
	},
}

// askHTTP is one GET on a connection of its own: "" if it was answered with status, else what was wrong.
func askHTTP(ctx context.Context, at Endpoint, host, path, agent string, status int) (found string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("User-Agent", agent)
	t := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: pingHeadBytesMax,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, at.Network, at.Address)
			if err == nil && at.Proxy > 0 { // for nobody: it is we who ask
				_, err = c.Write(proxyproto.Append(nil, at.Proxy, netip.AddrPort{}, netip.AddrPort{}))
			}
			return c, err
		}}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return fmt.Sprintf("GET %s: %v", path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode == status {
		return ""
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, pingBodyBytesMax)) // as far as it comes
	return fmt.Sprintf("GET %s: status %d %q", path, resp.StatusCode, strings.TrimSpace(string(body)))
}

// background runs f off the main loop, a bounded number at once; done gets what is to follow on it.
func (p *upstreamPool) background(f func(ctx context.Context) (done func(now time.Time))) {
	ps := p.ps
	ps.far.running.Go(func() {
		select {
		case ps.far.slots <- struct{}{}:
			defer func() { <-ps.far.slots }()
		case <-ps.far.ctx.Done():
			return
		}
		done := f(ps.far.ctx)
		ps.post(event{call: func() {
			now := ps.env.now()
			done(now)
			p.settle(now)
		}})
	})
}

// lookUp asks for the addresses of a name.
func (p *upstreamPool) lookUp(h *upstreamHost) {
	h.asking = true
	p.background(func(ctx context.Context) func(time.Time) {
		ctx, cancel := context.WithTimeout(ctx, upstreamLookUpMax)
		defer cancel()
		addrs, err := p.ps.far.net.lookUp(ctx, h.Host)
		return func(now time.Time) { p.found(h, addrs, err, now) }
	})
}

// found takes the answer to a look-up. A name that has no answer now keeps its addresses.
func (p *upstreamPool) found(h *upstreamHost, addrs []netip.Addr, err error, now time.Time) {
	h.asking, h.tried = false, true
	every := p.conf.Resolve.Std()
	problem := ""
	switch {
	case err != nil:
		problem = err.Error()
	case len(addrs) == 0:
		problem = "no address"
	}
	if problem != "" {
		every = min(every, upstreamLookUpAgain)
	} else {
		h.addrs = h.addrs[:0:0]
		for _, a := range addrs {
			if a = a.Unmap(); a.Zone() == "" && len(h.addrs) < upstreamsMax {
				h.addrs = append(h.addrs, netip.AddrPortFrom(a, h.Port))
			}
		}
		slices.SortFunc(h.addrs, netip.AddrPort.Compare)
		h.addrs = slices.Compact(h.addrs)
	}
	if problem != "" {
		tell := p.ps.log.Warn
		if problem == h.problem {
			tell = p.ps.log.Debug
		}
		tell("upstream: look-up", "pool", p.conf.Name, "host", h.Host, "error", problem,
			"addresses_kept", len(h.addrs))
	}
	h.problem = problem
	h.askAt = now.Add(p.ps.env.jitter(every))
}

// recheck begins u's checks anew, or does without.
func (u *upstream) recheck(now time.Time) {
	u.passes, u.fails = 0, 0
	switch {
	case u.state == upstreamOff || u.state == upstreamLeaving:
	case u.p.conf.Check.HTTP != "":
		u.checkAt = now
	default:
		u.checkAt = time.Time{}
		if u.state != upstreamReady {
			u.setState(upstreamReady, u.url, now)
		}
	}
}

// check asks u whether it is well.
func (u *upstream) check() {
	u.checking = true
	c, at := u.p.conf.Check, u.endpoint()
	u.p.background(func(ctx context.Context) func(time.Time) {
		ctx, cancel := context.WithTimeout(ctx, c.Timeout.Std())
		defer cancel()
		found := u.p.ps.far.net.ask(ctx, at, u.host, c.HTTP, c.Status)
		return func(now time.Time) { u.checked(&c, found, now) }
	})
}

// checked takes the result of a check, which was made as c says.
func (u *upstream) checked(c *config.Check, found string, now time.Time) {
	u.checking = false
	if u.checkAt.IsZero() { // it left, or is not checked any more
		return
	}
	u.checkAt = now.Add(u.p.ps.env.jitter(u.p.conf.Check.Every.Std()))
	if *c != u.p.conf.Check {
		u.checkAt = now // that was another question
		return
	}
	if found == "" {
		u.passes, u.fails = u.passes+1, 0
	} else {
		u.passes, u.fails = 0, u.fails+1
		u.p.lastErr = fmt.Sprintf("%s: %s", u.address, found)
	}
	switch {
	case u.state != upstreamReady && u.passes >= c.Rise:
		u.setState(upstreamReady, fmt.Sprintf("answered %d checks", u.passes), now)
	case u.state != upstreamDown && u.fails >= c.Fall:
		u.setState(upstreamDown, found, now)
	case u.state == upstreamDown && found != "":
		u.reason = found
	}
}
