package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"weir/supervisor/config"
)

func probeWithDefaults(p config.Probe) config.Probe {
	setDefault(&p, config.ProbeConnect)
	if p.HTTP != "" {
		setDefault(&p.Status, http.StatusOK)
		p.Kind = config.KindHTTP
	}
	return p
}

func warmupWithDefaults(w []config.Warmup) []config.Warmup {
	w = slices.Clone(w)
	for i := range w {
		setDefault(&w[i].Host, probeHost)
		setDefault(&w[i].Status, http.StatusOK)
		setDefault(&w[i].Timeout, config.Duration(defaultWarmupTimeout))
	}
	return w
}

// asks reports that workers are sent requests before fronts may.
func (c *PoolConfig) asks() bool { return c.Ready.Probe.HTTP != "" || len(c.Warmup) > 0 }

// invalidPath is a path to ask for that does not begin with /; "" if there is none.
func (c *PoolConfig) invalidPath() string {
	if p := c.Ready.Probe.HTTP; p != "" && !strings.HasPrefix(p, "/") {
		return p
	}
	for i := range c.Warmup {
		if p := c.Warmup[i].Path; !strings.HasPrefix(p, "/") {
			return cmp.Or(p, "(none)")
		}
	}
	return ""
}

// ask sends one GET to the worker at e and wants an answer with that status within the time. Its whole
// answer is read, up to answerBytesMax. The worker's end ends it, too.
func (p *process) ask(e Endpoint, path, host string, status int, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	go func() { // ends with this call
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "Weir")
	t := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: answerBytesMax,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, e.Network, e.Address)
		},
	}
	resp, err := t.RoundTrip(r)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, answerBytesMax))
		_ = resp.Body.Close() // read as far as it matters
	}
	switch {
	case err != nil && ctx.Err() != nil && !p.hasExited():
		return fmt.Errorf("GET %s: no answer within %v", path, within)
	case err != nil:
		return fmt.Errorf("GET %s: %w", path, err)
	case resp.StatusCode != status:
		return fmt.Errorf("GET %s: status %d, expected %d", path, resp.StatusCode, status)
	}
	return nil
}

// answers is one look of the HTTP probe.
func (p *process) answers(e Endpoint) error {
	probe := &p.conf.Ready.Probe
	err := p.ask(e, probe.HTTP, probeHost, probe.Status, probeAnswerTimeout)
	p.noteStage(err)
	return err
}

// warm sends the warm-up requests, one after the other; the first that fails ends it.
func (p *process) warm(e Endpoint) error {
	for i := range p.conf.Warmup {
		w := &p.conf.Warmup[i]
		within := w.Timeout.Std()
		if w.Timeout.IsOff() {
			within = warmupTimeoutMax
		}
		p.noteStage(fmt.Errorf("warm-up GET %s goes on", w.Path))
		if err := p.ask(e, w.Path, w.Host, w.Status, within); err != nil {
			return fmt.Errorf("warm-up: %w", err)
		}
	}
	return nil
}

// noteStage keeps what stands between the worker and rotation, for the message about a missed
// deadline.
func (p *process) noteStage(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = ""
	if err != nil {
		p.stage = err.Error()
	}
}
