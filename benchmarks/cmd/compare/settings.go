package main

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"regexp"

	"github.com/coreos/etcd/client/benchmarks"
)

// settings are the command line.
type settings struct {
	rows    *regexp.Regexp
	options benchmarks.Options
	list    bool
	from    string // the file to read; empty: measure
	// Files to write; empty: not written.
	results, chart, table, readme string
}

// parse returns the settings of arguments. Flags that contradict each other are an error.
func parse(arguments []string, usage io.Writer) (settings, error) {
	var s settings
	var rows string
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&rows, "run", ".", "measure the rows whose name matches this `regexp`, in upper or lower case")
	flags.IntVar(&s.options.Rounds, "rounds", 0, "how many rounds each client has (default 20)")
	flags.DurationVar(&s.options.RoundTime, "for", 0, "how long a round takes at least (default 20ms)")
	flags.BoolVar(&s.options.Short, "short", false, "measure little, to see that it works")
	flags.BoolVar(&s.list, "list", false, "print the names of the rows")
	flags.StringVar(&s.from, "from", "", "measure nothing and read the results from this `file`, which -results wrote")
	flags.StringVar(&s.results, "results", "", "write the results to this `file`, as JSON")
	flags.StringVar(&s.chart, "chart", "", "write the chart of the results to this `file`, as SVG")
	flags.StringVar(&s.table, "table", "", "put the table of all lines into this Markdown `file`, between its comments \"table\"")
	flags.StringVar(&s.readme, "readme", "", "put README's rows into this Markdown `file`, between its comments \"speed\"")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(arguments); err != nil {
		flags.SetOutput(usage)
		flags.Usage()
		return settings{}, err
	}
	if err := check(flags); err != nil {
		return settings{}, err
	}
	var err error
	s.rows, err = regexp.Compile("(?i:" + rows + ")")
	return s, err
}

// check returns an error for arguments that are no flags, and for flags that contradict each other.
func check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := map[string]string{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })

	for _, rule := range []struct {
		flag, reason string
		excludes     []string
	}{
		{"list", "only prints names", []string{"run", "rounds", "for", "short", "from", "results", "chart", "table", "readme"}},
		{"from", "measures nothing", []string{"run", "rounds", "for", "short", "results"}},
		{"short", "measures too little to keep", []string{"results", "chart", "table", "readme"}},
		{"run", "leaves rows out", []string{"chart", "table", "readme"}},
	} {
		if _, ok := given[rule.flag]; !ok {
			continue
		}
		for _, other := range rule.excludes {
			if _, ok := given[other]; ok {
				return fmt.Errorf("-%s and -%s exclude each other: -%s %s", rule.flag, other, rule.flag, rule.reason)
			}
		}
	}

	flagOf := map[string]string{} // by file
	for _, name := range []string{"from", "results", "chart", "table", "readme"} {
		file, ok := given[name]
		if !ok {
			continue
		}
		if file == "" {
			return fmt.Errorf("-%s wants the name of a file", name)
		}
		file = filepath.Clean(file)
		if other, ok := flagOf[file]; ok {
			return fmt.Errorf("-%s and -%s name the same file %s", other, name, file)
		}
		flagOf[file] = name
	}
	return nil
}
