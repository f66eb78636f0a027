package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/cli"
)

// TestRun: every way a command line can end has its exit code, and says why.
func TestRun(t *testing.T) {
	newRoot := func() *cobra.Command {
		root := &cobra.Command{Use: "prog"}
		group := &cobra.Command{Use: "group"}
		group.AddCommand(&cobra.Command{Use: "leaf DIR", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return nil }})
		root.AddCommand(group,
			&cobra.Command{Use: "breaks", RunE: func(*cobra.Command, []string) error { return errors.New("the disk is full") }},
			&cobra.Command{Use: "damaged", RunE: func(*cobra.Command, []string) error { return &cli.Error{Code: cli.Damaged} }},
			cli.Version("prog 1"))
		return root
	}
	for name, c := range map[string]struct {
		args      []string
		code      int
		out, errs string // parts of what is said; empty: nothing
	}{
		"nothing":          {nil, cli.Done, "Available Commands", ""},
		"version":          {[]string{"version"}, cli.Done, "prog 1\n", ""},
		"good":             {[]string{"group", "leaf", "x"}, cli.Done, "", ""},
		"unknown":          {[]string{"foo"}, cli.Usage, "", `prog has no command "foo" (there are breaks`},
		"unknown in group": {[]string{"group", "foo"}, cli.Usage, "", `prog group has no command "foo" (there are leaf)`},
		"arguments":        {[]string{"group", "leaf"}, cli.Usage, "", "0 arguments given, expected: prog group leaf DIR"},
		"flag":             {[]string{"breaks", "--nope"}, cli.Usage, "", "--nope\nsee: prog breaks --help"},
		"fails":            {[]string{"breaks"}, cli.Incomplete, "", "prog: the disk is full\n"},
		"said already":     {[]string{"damaged"}, cli.Damaged, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := cli.Run(t.Context(), newRoot(), c.args, &out, &errs); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for what, said := range map[string][2]string{"output": {out.String(), c.out}, "error": {errs.String(), c.errs}} {
				if !strings.Contains(said[0], said[1]) || said[1] == "" && said[0] != "" {
					t.Errorf("%s is %q, want %q in it", what, said[0], said[1])
				}
			}
		})
	}
}
