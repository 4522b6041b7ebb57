package weir

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"weir/supervisor/admin"
)

// poolVerbs are the verbs about a pool or a worker of it, with what help says of them.
var poolVerbs = []struct {
	verb  admin.Verb
	short string
}{
	{admin.VerbRecycle, "replace every worker of a pool, or one, by a fresh one that is ready first"},
	{admin.VerbDrain, "let a pool, or a worker, finish what it has, however long that takes, and end it"},
	{admin.VerbStart, "start a pool, also one that is disabled or has failed; have a worker that is " +
		"disabled take requests again"},
	{admin.VerbStop, "drain a pool, or a worker, for at most stop_timeout, and end it"},
	{admin.VerbDisable, "answer 503 Disabled for a pool, also after a reload, and end its workers; " +
		"keep a worker from requests, without ending it"},
}

// poolCommands are the commands of poolVerbs and weir scale.
func (c *cli) poolCommands() []*cobra.Command {
	out := make([]*cobra.Command, 0, len(poolVerbs)+1)
	const what = "POOL[/N]"
	for _, p := range poolVerbs {
		out = append(out, c.poolCommand(p.verb, what, p.short, func(cmd *cobra.Command,
			args []string) (admin.Action, error) {
			if err := exactly(string(p.verb), what)(cmd, args); err != nil {
				return admin.Action{}, err
			}
			return actionOf(p.verb, args[0])
		}))
	}
	return append(out, c.poolCommand(admin.VerbScale, "POOL N",
		"give a pool N workers, until a reload changes their number", scaleOf))
}

// poolCommand is one of them; parse reads its arguments.
func (c *cli) poolCommand(name admin.Verb, what, short string,
	parse func(*cobra.Command, []string) (admin.Action, error)) *cobra.Command {
	v := &verb{cli: c}
	return v.command(&cobra.Command{
		Use: string(name) + " " + what, Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			_, err := parse(cmd, args)
			return err
		},
		ValidArgsFunction: v.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := parse(cmd, args)
			if err != nil {
				return err
			}
			return v.change(cmd.Context(), a.String(),
				func(cl *admin.Client, ctx context.Context, wait bool) error {
					return cl.Act(ctx, a, wait)
				})
		},
	}, true)
}

// workerName reads POOL[/N]; n is 0 without N.
func workerName(command, what string) (pool string, n uint64, err error) {
	pool, number, ofWorker := strings.Cut(what, "/")
	if !ofWorker {
		return pool, 0, nil
	}
	n, err = strconv.ParseUint(number, 10, 64)
	if pool == "" || err != nil || n == 0 {
		return "", 0, fmt.Errorf("%s: %q is neither POOL nor POOL/N", command, what)
	}
	return pool, n, nil
}

// actionOf reads what a verb is about.
func actionOf(verb admin.Verb, what string) (a admin.Action, err error) {
	a.Verb = verb
	a.Pool, a.Worker, err = workerName(string(verb), what)
	if err == nil && a.Worker != 0 && !verb.ForWorkers() {
		err = fmt.Errorf("%s: is for pools, %q is a worker; did you mean: weir %s %s", verb, what, verb,
			a.Pool)
	}
	return a, err
}

// scaleOf reads POOL N.
func scaleOf(_ *cobra.Command, args []string) (admin.Action, error) {
	if len(args) != 2 || args[0] == "" {
		return admin.Action{}, fmt.Errorf("scale: want POOL and N, the number of workers")
	}
	a, err := actionOf(admin.VerbScale, args[0])
	if err != nil {
		return a, err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 {
		err = fmt.Errorf("scale: %q is not a number of workers", args[1])
		if args[1] == "0" {
			err = fmt.Errorf("%w; did you mean: weir stop %s", err, args[0])
		}
		return a, err
	}
	a.Count = n
	return a, nil
}

// completePools offers the pools of the running instance to the shell.
func (v *verb) completePools(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion,
	_ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := v.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := client.Status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, p := range s.Pools {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
