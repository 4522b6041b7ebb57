package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func (r *resolver) checkPool(p *Pool) {
	key := poolKey(p.Name)
	r.checkUpstreams(key, p)
	if len(p.Upstreams) == 0 {
		r.checkWorkers(key, p)
	}
	r.checkModes(key, p)
	if p.Concurrency < r.c.Fronts {
		r.problem(key+".concurrency", fmt.Sprintf("%d slots cannot be divided among %d fronts",
			p.Concurrency, r.c.Fronts), "at least as many as fronts", "")
	}
	if p.Queue.Length < r.c.Fronts {
		r.problem(key+".queue.length", fmt.Sprintf("%d places cannot be divided among %d fronts",
			p.Queue.Length, r.c.Fronts), "at least as many as fronts", "")
	}
	r.checkLimit(key+".limit", &p.Limit)
	r.checkSendfile(key+".sendfile", &p.Sendfile)
}

// checkWorkers looks at what concerns the processes of a pool.
func (r *resolver) checkWorkers(key string, p *Pool) {
	r.checkDispatch(key, p)
	if p.Dispatch == DispatchReuseport {
		r.checkReuseport(key, p)
	}
	if _, failed := r.failedBelow(key + ".command"); !failed {
		r.checkHosted(key, p)
	}
	r.checkScaling(key, p)
	r.checkDir(key+".dir", p.Dir)
	r.checkEnv(key+".env", &p.Env)
	r.checkIsolation(key, p)
	r.checkRecycle(key+".recycle", &p.Recycle)
	r.checkHealth(key, p)
	if len(p.Command) > 0 {
		r.checkCommand(key+".command", p)
	}
}

// checkDispatch gives frames to a pool without command, unless its workers must answer plain GETs.
func (r *resolver) checkDispatch(key string, p *Pool) {
	asked := p.Ready.Probe.Kind == KindHTTP
	given := r.origins[key+".dispatch"].Kind != FromDefault
	switch {
	case !given && len(p.Command) == 0 && !asked && len(p.Warmup) == 0:
		p.Dispatch = DispatchMux
	case p.Dispatch != DispatchHTTP && asked:
		r.problem(key+".dispatch", "workers of "+string(p.Dispatch)+
			" do not answer the GETs of ready.probe", string(DispatchHTTP), "")
	case p.Dispatch == DispatchHandoff:
		r.checkHandoff(key, p)
	}
}

// checkHandoff refuses what a pool cannot have whose workers answer clients themselves: the front does
// not see the answers, nor any request but the first of a connection.
func (r *resolver) checkHandoff(key string, p *Pool) {
	if !handoffOK {
		r.problem(key+".dispatch", "handoff needs SOCK_SEQPACKET, which this system has not",
			string(DispatchHTTP), "")
	}
	if p.Socket == SocketInherit {
		r.problem(key+".socket", "workers of handoff bind their socket", string(SocketPath), "")
	}
	if p.Ping.HTTP != "" {
		r.problem(key+".ping.http", "workers of handoff answer the connections of clients only",
			"no ping.http", "")
	}
	if p.Balance == BalanceSticky {
		r.problem(key+".balance", "sticky sets a cookie in answers, which handoff does not see",
			string(BalanceLeastInFlight.Rule), "")
	}
	for _, s := range r.c.Sites {
		for i := range s.Apps {
			a := &s.Apps[i]
			if a.Pool != p.Name {
				continue
			}
			at := appKey(s.Name, a.Prefix)
			if len(s.Middleware) > 0 {
				r.problem(at+".pool", fmt.Sprintf("the middleware of site %s would not see what workers of "+
					"pool %s answer by handoff", s.Name, p.Name), "a site without middleware, or "+
					"another dispatch", "")
			}
			if a.Limits.Head.IsOff() || a.Limits.Head.Bytes() > handoffHeadMax {
				r.problem(at+".limits.head", "is too large to be handed off", "at most 64KiB", "")
			}
		}
	}
}

// checkHosted finds the one handler that a pool without command hosts.
func (r *resolver) checkHosted(key string, p *Pool) {
	for _, s := range r.c.Sites {
		for _, a := range s.Apps {
			if a.Pool != p.Name || a.Handler == "" {
				continue
			}
			at := appKey(s.Name, a.Prefix) + ".handler"
			switch {
			case len(p.Command) > 0:
				r.problem(at, fmt.Sprintf("pool %s runs %s and cannot host a handler", p.Name, p.Command[0]),
					"a pool without command", "")
			case p.Handler != "" && p.Handler != a.Handler:
				r.problem(at, fmt.Sprintf("pool %s already hosts %s", p.Name, p.Handler),
					"one handler per pool", "")
			default:
				p.Handler = a.Handler
			}
		}
	}
	if len(p.Command) > 0 || p.Handler != "" {
		return
	}
	if _, given := r.origins[key+".upstreams"]; given {
		return // told already
	}
	if _, given := r.origins[key+".command"]; given {
		r.problem(key+".command", "is empty", row("pools.*.command").Expected(), "")
		return
	}
	r.problem(key, "has nothing to run", "command, upstreams, or an app with handler and pool: "+p.Name, "")
}

func (r *resolver) checkEnv(key string, e *Env) {
	if !e.Inherit.IsOff() && len(e.Keep) > 0 {
		r.problem(key+".keep", "has no effect while env.inherit is true", "env.inherit: false", "")
	}
	for name, value := range e.Set {
		if !isEnvName(name) || strings.ContainsRune(value, 0) {
			r.problem(key+".set", fmt.Sprintf("%q cannot be a variable", name), "NAME: VALUE", "")
		} else if isReserved(name) {
			r.problem(key+".set", name+" is set by Weir itself", "another name", "")
		}
	}
	for _, name := range e.Keep {
		if !isEnvName(name) {
			r.problem(key+".keep", fmt.Sprintf("%q cannot be a variable", name), "a list of names", "")
		}
	}
	for _, f := range e.Files {
		info, err := os.Stat(f)
		switch {
		case err != nil:
			r.problem(key+".files", f+": "+cause(err).Error(), "a readable file", "")
		case info.IsDir():
			r.problem(key+".files", f+" is a directory", "a file", "")
		}
	}
}

func isEnvName(s string) bool { return s != "" && !strings.ContainsAny(s, "=\x00") }

// isReserved reports the variables that carry the contract between supervisor and worker.
func isReserved(name string) bool {
	switch name {
	case "PORT", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID":
		return true
	}
	return strings.HasPrefix(name, "WEIR_") || strings.HasPrefix(name, "LISTEN_")
}

// checkCommand finds the program: a name by the worker's PATH, a path from the pool's directory.
func (r *resolver) checkCommand(key string, p *Pool) {
	name := p.Command[0]
	if strings.Contains(name, "/") {
		full := absolute(p.Dir, name)
		if err := executable(full); err != nil {
			r.problem(key, fmt.Sprintf("cannot run %s: %v", full, err), "an executable file", "")
			return
		}
		p.Program = full
		return
	}
	search, ok := p.Env.Set["PATH"]
	if !ok {
		if search, ok = lookupEnv(r.s.Environ, "PATH"); !ok {
			search = os.Getenv("PATH")
		}
	}
	for _, dir := range filepath.SplitList(search) {
		full := absolute(p.Dir, filepath.Join(dir, name))
		if dir != "" && executable(full) == nil {
			p.Program = full
			return
		}
	}
	suggestion := ""
	if executable(absolute(p.Dir, name)) == nil {
		suggestion = fmt.Sprintf("%q", "./"+name)
	}
	r.problem(key, fmt.Sprintf("command %q not found in PATH", name), "a program", suggestion)
}

func executable(file string) error {
	_, err := exec.LookPath(file)
	var pe *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe):
		return pe.Err
	}
	var ee *exec.Error
	if errors.As(err, &ee) {
		return cause(ee.Err)
	}
	return err
}
