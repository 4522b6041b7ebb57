package weir

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"weir/supervisor/config"
)

// verbFlags are the flags that are not keys of the configuration.
var verbFlags = []string{"runtime-dir", "json", "yaml", "no-wait", "help"}

// flagError adds to an unknown flag the one that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown interface{ GetSpecifiedName() string }
	if !errors.As(err, &unknown) {
		return err
	}
	var known []string
	for _, f := range config.Flags() {
		known = append(known, f.Name)
	}
	known = append(known, verbFlags...)
	pick := &cobra.Command{SuggestionsMinimumDistance: suggestEditsMax}
	for _, name := range known {
		if cmd.Flags().Lookup(name) != nil {
			pick.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
		}
	}
	if near := pick.SuggestionsFor(unknown.GetSpecifiedName()); len(near) > 0 {
		return fmt.Errorf("%w; did you mean: --%s", err, near[0])
	}
	return err
}

// nearestVerb is the verb that was probably meant by a word that is no program either; "" is none.
func nearestVerb(cmd *cobra.Command, word string) string {
	if _, err := exec.LookPath(word); err == nil {
		return ""
	}
	root := cmd.Root()
	root.SuggestionsMinimumDistance = suggestEditsMax
	if near := root.SuggestionsFor(word); len(near) > 0 {
		return near[0]
	}
	return ""
}

// noArgs refuses arguments of a verb that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: takes no arguments, got %q", cmd.Name(), args[0])
	}
	return nil
}
