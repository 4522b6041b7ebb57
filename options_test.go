package weir

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/supervisor/config"
)

// optionRow is an option of a pool that is seen from outside: what happens without it, and with it.
type optionRow struct {
	name    string
	servers int        // 0 is 1
	base    PoolConfig // in both cases
	set     func(c *PoolConfig, s *Server)
	routes  map[string]RouteConfig // set with it
	// look says what happens. Something that must not happen is waited for no longer than patience.
	look          func(b *bed, patience time.Duration) string
	without, with string
}

var (
	one   = PoolConfig{Concurrency: 1}
	brief = config.Duration(50 * time.Millisecond)
)

var optionRows = []optionRow{
	{
		name: "concurrency", set: func(c *PoolConfig, _ *Server) { c.Concurrency = 1 },
		look: func(b *bed, d time.Duration) string {
			b.occupy(1)
			return within(d, b.heldOrQueued())
		},
		without: "held", with: "queued",
	},
	{
		name: "queue.length", base: PoolConfig{Concurrency: 1, Queue: config.Queue{Timeout: brief}},
		set: func(c *PoolConfig, _ *Server) { c.Queue = config.Queue{Length: 1} },
		look: func(b *bed, _ time.Duration) string {
			b.occupy(1)
			b.begin("/")
			if b.pool.config.Queue.Length == 1 {
				b.queued(1)
			}
			return b.get("/")
		},
		without: "503 Timer_AppPool", with: "503 QueueFull",
	},
	{
		name: "queue.timeout", base: one,
		set: func(c *PoolConfig, _ *Server) { c.Queue.Timeout = brief },
		look: func(b *bed, d time.Duration) string {
			b.occupy(1)
			return within(d, b.begin("/"))
		},
		without: "waits", with: "503 Timer_AppPool",
	},
	{
		name: "queue.overload", base: PoolConfig{Concurrency: 1, Queue: config.Queue{Length: 1}},
		set: func(c *PoolConfig, _ *Server) { c.Queue.Overload = config.OverloadReset },
		look: func(b *bed, _ time.Duration) string {
			b.occupy(1)
			b.begin("/")
			b.queued(1)
			return b.get("/")
		},
		without: "503 QueueFull", with: "reset",
	},
	{
		name: "queue.policy",
		base: PoolConfig{Concurrency: 1, Queue: config.Queue{Timeout: config.Duration(2 * time.Second)}},
		set:  func(c *PoolConfig, _ *Server) { c.Queue.Policy = config.PolicyLIFO },
		look: func(b *bed, _ time.Duration) string {
			b.occupy(1)
			b.begin("/hold?old")
			b.queued(1)
			b.begin("/hold?new")
			b.queued(2)
			b.until("half of queue.timeout", func() bool {
				return b.dispatch().Pools[0].OldestAge > 1100*time.Millisecond
			})
			b.letGo()
			return b.nextHeld()
		},
		without: "/hold?old", with: "/hold?new",
	},
	{
		name: "priority", base: one, routes: map[string]RouteConfig{"/vip": {Priority: config.PriorityHigh}},
		set: func(*PoolConfig, *Server) {},
		look: func(b *bed, _ time.Duration) string {
			b.occupy(1)
			for i, path := range []string{"/hold?1", "/vip/hold"} {
				b.begin(path)
				b.queued(i + 1)
			}
			b.letGo()
			return b.nextHeld()
		},
		without: "/hold?1", with: "/vip/hold",
	},
	{
		name:    "timeouts.first_byte",
		set:     func(c *PoolConfig, _ *Server) { c.Timeouts.FirstByte = brief },
		look:    func(b *bed, d time.Duration) string { return within(d, b.begin("/hold")) },
		without: "waits", with: "504 Timer_Worker",
	},
	{
		name: "timeouts of a route", routes: map[string]RouteConfig{
			"/fast": {Timeouts: config.UpstreamTimeouts{FirstByte: brief}},
		},
		set: func(*PoolConfig, *Server) {},
		look: func(b *bed, d time.Duration) string {
			return within(soon, b.begin("/hold")) + ", " + within(d, b.begin("/fast/hold"))
		},
		without: "waits, waits", with: "waits, 504 Timer_Worker",
	},
	{
		name: "timeouts.idle", set: func(c *PoolConfig, _ *Server) { c.Timeouts.Idle = brief },
		look:    func(b *bed, d time.Duration) string { return within(d, b.begin("/drip")) },
		without: "waits", with: "200 first, cut",
	},
	{
		name: "timeouts.total", set: func(c *PoolConfig, _ *Server) { c.Timeouts.Total = brief },
		look:    func(b *bed, d time.Duration) string { return within(d, b.begin("/hold")) },
		without: "waits", with: "504 Timer_WorkerTotal",
	},
	{
		name: "timeouts.tunnel", set: func(c *PoolConfig, _ *Server) { c.Timeouts.Tunnel = brief },
		look:    func(b *bed, d time.Duration) string { return b.tunnel(d) },
		without: "waits", with: "ends",
	},
	{
		name: "retry", base: PoolConfig{Circuit: config.Circuit{Failures: config.CountOff}},
		set:     func(c *PoolConfig, _ *Server) { c.Retry.Max = config.CountOff },
		look:    func(b *bed, _ time.Duration) string { return replays(b, b.get("/break")) },
		without: "502, 2 replays", with: "502, 0 replays",
	},
	{
		name: "retry.rate", base: PoolConfig{Circuit: config.Circuit{Failures: config.CountOff}},
		set: func(c *PoolConfig, _ *Server) {
			c.Retry = config.Retry{Rate: config.FrequencyOff, Share: config.PercentOff}
		},
		look:    func(b *bed, _ time.Duration) string { return replays(b, b.get("/break")) },
		without: "502, 2 replays", with: "502, 0 replays",
	},
	{
		name: "circuit", servers: 2, base: PoolConfig{Retry: config.Retry{Max: config.CountOff}},
		set: func(c *PoolConfig, _ *Server) {
			c.Circuit = config.Circuit{Failures: 1, Open: config.Duration(time.Minute)}
		},
		look: func(b *bed, _ time.Duration) string {
			b.get("/break")
			var states []string
			for _, w := range b.dispatch().Pools[0].Workers {
				states = append(states, w.Circuit)
			}
			return fmt.Sprint(strings.Count(strings.Join(states, " "), "open"))
		},
		without: "0", with: "1",
	},
	{
		name: "balance", servers: 2,
		set: func(c *PoolConfig, _ *Server) { c.Balance.Hash = "header X-User" },
		look: func(b *bed, _ time.Duration) string {
			seen := map[string]bool{}
			for range 8 {
				seen[b.get("/", "X-User", "anna")] = true
			}
			return fmt.Sprint(len(seen))
		},
		without: "2", with: "1",
	},
	{
		name: "balance: sticky", set: func(c *PoolConfig, _ *Server) { c.Balance = config.BalanceSticky },
		look:    func(b *bed, _ time.Duration) string { return b.get("/") },
		without: "200 far0", with: "200 far0 with a cookie",
	},
	{
		name: "limit.adaptive",
		set: func(c *PoolConfig, _ *Server) {
			c.Limit = config.Limit{Adaptive: config.AdaptiveOn, Min: 1, Max: 1}
		},
		look: func(b *bed, d time.Duration) string {
			b.warm()
			b.occupy(1)
			return within(d, b.heldOrQueued())
		},
		without: "held", with: "queued",
	},
	{
		name: "limit: shadow",
		set: func(c *PoolConfig, _ *Server) {
			c.Limit = config.Limit{Adaptive: config.AdaptiveShadow, Min: 1, Max: 1}
		},
		look: func(b *bed, d time.Duration) string {
			b.warm()
			limited := b.dispatch().Pools[0].Limited
			b.occupy(2) // it only reports
			st := b.dispatch().Pools[0]
			return fmt.Sprint(st.LimitMode, " ", st.Limited-limited)
		},
		without: "off 0", with: "shadow 1",
	},
	{
		name: "buffer", set: func(c *PoolConfig, _ *Server) { c.Buffer = config.BufferRequest },
		look:    func(b *bed, _ time.Duration) string { return b.upload() },
		without: "200 length -1, read 10 <nil>", with: "200 length 10, read 10 <nil>",
	},
	{
		name: "Server.Spool", base: PoolConfig{Buffer: config.BufferRequest},
		set: func(_ *PoolConfig, s *Server) {
			s.Spool = config.Spool{Dir: os.TempDir(), Memory: 1, Disk: 1}
		},
		look:    func(b *bed, _ time.Duration) string { return b.upload() },
		without: "200 length 10, read 10 <nil>", with: "503 SpoolFull",
	},
	{
		name: "Server.Limits.Body", set: func(_ *PoolConfig, s *Server) { s.Limits.Body = 5 },
		look: func(b *bed, _ time.Duration) string {
			return b.ask("POST", "/body", strings.NewReader("0123456789"))
		},
		without: "200 length 10, read 10 <nil>", with: "413 EntityTooLarge",
	},
	{
		name: "sendfile", set: func(c *PoolConfig, _ *Server) {
			c.Sendfile = config.Sendfile{Root: c.Sendfile.Root, Prefix: "/keep/"}
		},
		look:    func(b *bed, _ time.Duration) string { return b.get("/file") },
		without: "200 ", with: "200 a note",
	},
	{
		name: "check", base: PoolConfig{Upstreams: []string{}},
		set: func(c *PoolConfig, _ *Server) {
			c.Check = config.Check{HTTP: "/ill", Fall: 1, Every: config.Duration(time.Hour)}
		},
		look:    func(b *bed, _ time.Duration) string { return b.get("/") },
		without: "200 far0", with: "503 AppOffline",
	},
	{
		name: "check.status", base: PoolConfig{Check: config.Check{HTTP: "/ill", Fall: 1}},
		set:     func(c *PoolConfig, _ *Server) { c.Check.Status = 500 },
		look:    func(b *bed, _ time.Duration) string { return b.get("/") },
		without: "503 AppOffline", with: "200 far0",
	},
}

func replays(b *bed, answer string) string {
	return fmt.Sprintf("%.3s, %d replays", answer, b.dispatch().Pools[0].Replays)
}

// heldOrQueued begins a request and tells where it is.
func (b *bed) heldOrQueued() <-chan string {
	out := make(chan string, 1)
	b.begin("/hold")
	b.until("the request is somewhere", func() bool {
		select {
		case <-b.held:
			out <- "held"
			return true
		default:
		}
		if b.dispatch().Pools[0].Waiting == 1 {
			out <- "queued"
			return true
		}
		return false
	})
	return out
}

// Every option of a pool that is about its requests does the same in a Server as in an instance.
func TestPoolOptions(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "note.txt"), []byte("a note"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range optionRows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, set := range []bool{false, true} {
				c, s, want, patience := r.base, new(Server), r.without, soon
				var routes map[string]RouteConfig
				if set {
					routes = r.routes
					if r.name == "sendfile" {
						c.Sendfile.Root = root
					}
					r.set(&c, s)
					want, patience = r.with, time.Minute
				}
				b := newBed(t, max(1, r.servers), c, s, routes)
				if got := r.look(b, patience); got != want {
					t.Errorf("with it %t: %s; want %s", set, got, want)
				}
				if err := b.stop(); err != nil {
					t.Errorf("Shutdown = %v", err)
				}
			}
		})
	}
}

// A cookie of one Server is good for another that has its Secret.
func TestServerSecret(t *testing.T) {
	secret := []byte("0123456789abcdef")
	cookie := ""
	for i, s := range []*Server{{Secret: secret}, {Secret: secret}, {}} {
		b := newBed(t, 2, PoolConfig{Balance: config.BalanceSticky}, s, nil)
		r, err := http.NewRequest("GET", "http://"+s.Addrs()[0].String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookie)
		resp, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // not read
		given := resp.Header.Get("Set-Cookie")
		if (given != "") != (i != 1) {
			t.Errorf("server %d gives the cookie %q", i, given)
		}
		if i == 0 {
			cookie, _, _ = strings.Cut(given, ";")
		}
	}
}

// What a connection to a server of ours begins with says who the client is.
func TestPoolProxyProtocol(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // only read
	first := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // answered
		head := make([]byte, 11)
		_, _ = io.ReadFull(c, head)
		first <- string(head)
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	}()
	p := testPool(t, PoolConfig{Name: "far", Upstreams: []string{"http://" + ln.Addr().String()},
		ProxyProtocol: config.ProxyOutV1})
	s := started(t, &Server{Listen: []string{"127.0.0.1:0"}, Loops: 1, Handler: p.Handler(), Pools: []*Pool{p}})
	if status, _ := fetch(t, s.Addrs()[0], "/"); status != 204 {
		t.Errorf("GET / = %d; want 204", status)
	}
	if got := within(patience, first); got != "PROXY TCP4 " {
		t.Errorf("the connection begins with %q", got)
	}
}
