package weir

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weir/supervisor/admin"
	"weir/supervisor/config"
)

// requestsCommand is weir requests.
func (c *cli) requestsCommand() *cobra.Command {
	v := &verb{cli: c}
	var older string
	query := func(args []string) (q admin.RequestsQuery, err error) {
		if len(args) > 1 || len(args) == 1 && args[0] == "" {
			return q, fmt.Errorf("requests: want POOL or POOL/N, or nothing for all")
		}
		if older != "" {
			d, err := config.ParseDuration(older)
			if err != nil {
				return q, fmt.Errorf("--older: %w", err)
			}
			q.Older = max(0, d.Std())
		}
		if len(args) == 1 {
			q.Pool, q.Worker, err = workerName("requests", args[0])
		}
		return q, err
	}
	cmd := v.command(&cobra.Command{
		Use: "requests [POOL[/N]]", Short: "list the requests that pools have under way, oldest first",
		Args: func(_ *cobra.Command, args []string) error {
			_, err := query(args)
			return err
		},
		ValidArgsFunction: v.completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := query(args)
			if err != nil {
				return err
			}
			client, err := v.client()
			if err != nil {
				return err
			}
			list, err := client.Requests(cmd.Context(), q)
			if err != nil {
				return exitWith(instanceExit(err), err)
			}
			if v.asJSON {
				return c.printJSON(list)
			}
			return exitWith(exitFailed, c.printRequests(list))
		},
	}, false)
	cmd.Flags().StringVar(&older, "older", "", "only those that came at least so long ago, as 5s")
	return cmd
}

// printRequests is the form for people.
func (c *cli) printRequests(list *admin.Requests) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WORKER\tELAPSED\tSTAGE\tMETHOD\tPATH\tID")
	for _, r := range list.Requests {
		elapsed := time.Duration(r.Elapsed * float64(time.Second)).Round(time.Millisecond)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(r.Worker, r.Pool), elapsed, r.Stage,
			strings.Map(printable, r.Method), strings.Map(printable, r.Path), strings.Map(printable, r.ID))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more := list.All - len(list.Requests); more > 0 {
		fmt.Fprintf(c.stdout, "and %d more\n", more)
	}
	if list.Silent > 0 {
		fmt.Fprintf(c.stdout, "%d event loops did not answer: of what they hold nothing is known\n",
			list.Silent)
	}
	return nil
}
