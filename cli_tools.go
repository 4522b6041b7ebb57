package weir

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"weir/supervisor/config"
)

// checkCommand is weir check FILE.
func (c *cli) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "say what is wrong with a configuration file, or nothing",
		Args: exactly("check", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := c.load(config.Sources{File: args[0], Environ: c.environ})
			if err != nil {
				return exitWith(exitUsage, err)
			}
			for _, w := range l.Warnings {
				fmt.Fprintln(c.stderr, "weir: warning:", w)
			}
			fmt.Fprintf(c.stdout, "%s: ok (%d sites, %d pools, %d listeners)\n", args[0],
				len(l.Config.Sites), len(l.Config.Pools), len(l.Config.Listeners))
			return nil
		},
	}
}

// explainCommand is weir explain [KEY|--yaml] [flags] [-- command].
func (c *cli) explainCommand() *cobra.Command {
	var f flags
	var asYAML, asJSON bool
	cmd := &cobra.Command{
		Use:   "explain [KEY] [flags] [-- command args…]",
		Short: "print the configuration in force and where each value comes from",
		Args:  cobra.ArbitraryArgs,
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asYAML, "yaml", false, "as a configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys, program := args, []string(nil)
		if dash := cmd.ArgsLenAtDash(); dash >= 0 {
			keys, program = args[:dash], args[dash:]
		}
		if len(keys) > 1 {
			return fmt.Errorf("explain: %q: want one key", keys[1])
		}
		l, err := c.load(c.sources(&f, program))
		if err != nil {
			return exitWith(exitUsage, err)
		}
		if asYAML {
			_, err := c.stdout.Write(config.ExplainYAML(l))
			return exitWith(exitFailed, err)
		}
		key := ""
		if len(keys) == 1 {
			key = keys[0]
		}
		return c.explain(l, key, asJSON)
	}
	return cmd
}

func (c *cli) explain(l *config.Loaded, key string, asJSON bool) error {
	rows, err := config.Explain(l, key)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	if asJSON {
		return c.printJSON(rows)
	}
	for i, r := range rows {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		fmt.Fprint(c.stdout, r.Text())
	}
	return nil
}

// versionCommand is weir version.
func (c *cli) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "print version, commit, Go and platform", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return c.printJSON(map[string]string{"version": version(), "go": runtime.Version(),
					"platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			fmt.Fprintf(c.stdout, "weir %s %s %s/%s\n", version(), runtime.Version(),
				runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// version is the module's version, else the commit it was built from, else "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	return exitWith(exitFailed, e.Encode(v))
}

// exactly is the check of a verb that takes one argument.
func exactly(verb, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return errors.New(verb + ": want one " + what)
		}
		return nil
	}
}
