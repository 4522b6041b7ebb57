package weir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"weir/supervisor/admin"
)

// verb is a command against a running instance.
type verb struct {
	cli        *cli
	runtimeDir string
	asJSON     bool
	noWait     bool
}

// command adds the flags that every verb has; changing verbs can be told not to wait.
func (v *verb) command(cmd *cobra.Command, changes bool) *cobra.Command {
	cmd.Flags().StringVar(&v.runtimeDir, "runtime-dir", "", "runtime directory of the instance")
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "as JSON")
	if changes {
		cmd.Flags().BoolVar(&v.noWait, "no-wait", false, "return when it has begun")
	}
	return cmd
}

// client finds the instance.
func (v *verb) client() (*admin.Client, error) {
	getenv := func(name string) string {
		for _, e := range v.cli.environ {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}
	dir := v.runtimeDir
	if dir == "" {
		dir = getenv("WEIR_RUNTIME_DIR")
	}
	found, err := admin.Find(dir, getenv)
	if err != nil {
		return nil, exitWith(instanceExit(err), err)
	}
	return admin.NewClient(found.Socket()), nil
}

func instanceExit(err error) int {
	if errors.Is(err, admin.ErrNoInstance) {
		return exitNoInstance
	}
	return exitFailed
}

// change runs a changing verb and says that it is done.
func (v *verb) change(ctx context.Context, what string,
	f func(*admin.Client, context.Context, bool) error) error {
	client, err := v.client()
	if err != nil {
		return err
	}
	if err := f(client, ctx, !v.noWait); err != nil {
		return exitWith(instanceExit(err), err)
	}
	state := "done"
	if v.noWait {
		state = "begun"
	}
	if v.asJSON {
		return v.cli.printJSON(admin.Done{State: state})
	}
	fmt.Fprintf(v.cli.stdout, "%s: %s\n", what, state)
	return nil
}

// statusCommand is weir status.
func (c *cli) statusCommand() *cobra.Command {
	v := &verb{cli: c}
	return v.command(&cobra.Command{
		Use: "status", Short: "show a running instance", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := v.client()
			if err != nil {
				return err
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return exitWith(instanceExit(err), err)
			}
			if v.asJSON {
				return c.printJSON(s)
			}
			return exitWith(exitFailed, c.printStatus(s))
		},
	}, false)
}

// reloadCommand is weir reload.
func (c *cli) reloadCommand() *cobra.Command {
	v := &verb{cli: c}
	return v.command(&cobra.Command{
		Use: "reload", Short: "apply the configuration anew", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.change(cmd.Context(), "reload", (*admin.Client).Reload)
		},
	}, true)
}

// shutdownCommand is weir shutdown.
func (c *cli) shutdownCommand() *cobra.Command {
	v := &verb{cli: c}
	return v.command(&cobra.Command{
		Use: "shutdown", Short: "drain the instance and end it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.change(cmd.Context(), "shutdown", (*admin.Client).Shutdown)
		},
	}, true)
}

// printStatus is the form for people.
func (c *cli) printStatus(s *admin.Status) error {
	fmt.Fprintf(c.stdout, "weir %s, pid %d, %s, up %s\n", s.Version, s.PID, s.State,
		seconds(s.Uptime))
	for _, l := range s.Listeners {
		if l.Pool != "" {
			fmt.Fprintf(c.stdout, "workers of pool %s listen on %s (no queue, no view of requests)\n", l.Pool,
				l.URL)
			continue
		}
		fmt.Fprintf(c.stdout, "listening on %s\n", l.URL)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nNAME\tSTATE\tPID\tUP\tDETAIL")
	for _, f := range s.Fronts {
		fmt.Fprintf(w, "front/%d\t%s\t%d\t%s\t%s\n", f.Slot, f.State, f.PID,
			seconds(time.Since(f.Started).Seconds()), f.LastExit)
	}
	for _, c := range s.Sidecars {
		printSidecar(w, &c)
	}
	for _, p := range s.Pools {
		if p.Kind == admin.KindUpstreams {
			printUpstreams(w, &p)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t\t\t%d/%d ready%s, %d failures %s\n", p.Name, stateOf(&p), p.Ready,
			p.WantCount, span(p.Min, p.Max), p.Failures, p.Error)
		for _, line := range lastWords(&p) {
			fmt.Fprintf(w, "  | %s\n", strings.Map(printable, line))
		}
		for _, k := range p.Workers {
			fmt.Fprintf(w, "  %s\t%s\t%d\t%s\t%s%s%s\n", k.Name, k.State, k.PID, seconds(k.Uptime),
				exposed(k.Network, k.Address), resident(k.RSS), cmp.Or(k.Reason, k.Stale, k.LastRecycle))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "\n%d requests, %d connections open\n", s.Counters["requests"],
		s.Counters["connections_open"])
	return nil
}

// printUpstreams is a pool of servers that are not ours.
func printUpstreams(w io.Writer, p *admin.Pool) {
	fmt.Fprintf(w, "%s\t%s\t\t\t%d/%d upstreams ready %s\n", p.Name, stateOf(p), p.Ready, p.WantCount,
		strings.Map(printable, p.Error))
	for _, k := range p.Workers {
		reason := k.Reason
		if k.State == "ready" {
			reason = k.Status
		}
		fmt.Fprintf(w, "  %s\t%s\t\t%s\t%s %s\n", k.Name, k.State, seconds(k.Uptime), k.Address,
			strings.Map(printable, reason))
	}
}

// span is what a pool's number of workers may come to, where it is not fixed.
func span(low, high int) string {
	if low == high {
		return ""
	}
	return fmt.Sprintf(" (%d to %d)", low, high)
}

// printSidecar is one line: a sidecar has at most one process.
func printSidecar(w io.Writer, c *admin.Sidecar) {
	pid, up, detail := "", "", c.Error
	for _, k := range c.Workers {
		pid, up = strconv.Itoa(k.PID), seconds(k.Uptime)
	}
	switch {
	case c.HeldBy != "":
		detail = "waits for sidecar/" + c.HeldBy
	case c.Ended && len(c.Exits) > 0:
		detail = "ended: " + c.Exits[0].How
	}
	fmt.Fprintf(w, "sidecar/%s\t%s\t%s\t%s\t%s\n", c.Name, c.State, pid, up, detail)
}

// stateOf is a pool's state, and where it goes while its workers leave.
func stateOf(p *admin.Pool) string {
	if p.Want == "running" || p.Want == p.State {
		return p.State
	}
	return p.State + ", to be " + p.Want
}

// resident is a worker's memory, where it is known.
func resident(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB ", bytes>>20)
}

// lastWords is the end of what the last worker of a pool in trouble printed.
func lastWords(p *admin.Pool) []string {
	if p.Ready > 0 || len(p.Exits) == 0 || p.State == "stopped" {
		return nil
	}
	out := p.Exits[0].Output
	return out[max(0, len(out)-statusOutputLines):]
}

// printable keeps a worker's output from moving the cursor.
func printable(r rune) rune {
	if r == '\t' || !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// exposed names a worker's address, and says when every local user can reach it.
func exposed(network, address string) string {
	if network == "tcp" {
		return address + " (reachable by every local user) "
	}
	return ""
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
