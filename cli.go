package weir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/supervisor/config"
)

// exitError carries an exit code through cobra.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith makes err end the command with code; nil stays nil.
func exitWith(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// run runs the command line and returns the exit code.
func (c *cli) run(ctx context.Context, args []string) int {
	root := c.command()
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var coded *exitError
	if errors.As(err, &coded) {
		return c.fail(coded.code, coded.err)
	}
	return c.fail(exitUsage, err) // cobra's own: unknown flags, missing values
}

// command is the whole command line.
func (c *cli) command() *cobra.Command {
	root := c.serveCommand("weir [run] [flags] [-- command args…]",
		"HTTP front end with worker supervision")
	root.Long = longHelp
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = false
	run := c.serveCommand("run [flags] [-- command args…]", "serve (the default)")
	root.AddCommand(run, c.checkCommand(), c.explainCommand(), c.versionCommand())
	root.AddCommand(c.statusCommand(), c.requestsCommand(), c.reloadCommand(), c.shutdownCommand())
	root.AddCommand(c.poolCommands()...)
	root.SetFlagErrorFunc(flagError)
	return root
}

const longHelp = `Weir serves HTTP/1.1 from an event loop per core: a fixed text, the files of a
directory, the sites of a configuration file, or an application in supervised
worker processes. Without any of them it serves its demo, on loopback.

  weir --respond 'Hello, World!'
  weir --root ./public
  weir --workers 2 -- python3 app.py       the program binds $WEIR_SOCKET or $PORT
  weir --config weir.yaml`

// serveCommand is a command that takes the flags of the configuration and what follows "--".
func (c *cli) serveCommand(use, short string) *cobra.Command {
	var f flags
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		program, err := behindDashes(cmd, args)
		if err != nil {
			return err
		}
		return c.serve(cmd.Context(), c.sources(&f, program))
	}
	return cmd
}

// behindDashes is the worker command; anything in front of "--" is a mistake that gets a proposal.
func behindDashes(cmd *cobra.Command, args []string) ([]string, error) {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		dash = len(args)
	}
	if dash == 0 {
		if cmd.ArgsLenAtDash() == 0 && len(args) == 0 {
			return nil, errors.New("nothing follows --, expected a command and its arguments")
		}
		return args, nil
	}
	stray := args[0]
	if strings.ContainsRune(stray, '.') && dash == 1 && len(args) == 1 && isFile(stray) {
		return nil, fmt.Errorf("unknown command %q; did you mean: weir --config %s", stray, stray)
	}
	if verb := nearestVerb(cmd, stray); verb != "" {
		return nil, fmt.Errorf("unknown command %q; did you mean: weir %s", stray, verb)
	}
	return nil, fmt.Errorf("unknown command %q; did you mean: weir -- %s", stray,
		strings.Join(args, " "))
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() &&
		(strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml"))
}

// flags collects the flags of the configuration in the order given.
type flags struct{ given []config.FlagValue }

// flagValue is the pflag.Value of one flag.
type flagValue struct {
	to   *flags
	flag config.Flag
	last string
}

func (v *flagValue) String() string { return v.last }
func (v *flagValue) Type() string   { return v.flag.Placeholder }

func (v *flagValue) Set(s string) error {
	v.last = s
	v.to.given = append(v.to.given, config.FlagValue{Name: v.flag.Name, Value: s})
	return nil
}

func (f *flags) add(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	for _, fl := range config.Flags() {
		cmd.Flags().Var(&flagValue{to: f, flag: fl}, fl.Name, fl.Help)
	}
}

// sources is what the command line says of the configuration.
func (c *cli) sources(f *flags, program []string) config.Sources {
	s := config.Sources{Environ: c.environ, Flags: f.given, Command: program}
	if c.app.Setup != nil {
		s.App = c.app.Name
	}
	return s
}

func (c *cli) load(s config.Sources) (*config.Loaded, error) {
	return config.Load(s, registry{c.app})
}
