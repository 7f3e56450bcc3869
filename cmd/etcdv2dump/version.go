package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/dump"
)

// A build is what the Go toolchain noted in the program.
type build struct {
	outcome
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Format   int    `json:"format"` // of dumps
}

func version() *build {
	b := &build{Version: "(unknown)", Format: dump.Version}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version, b.Go = info.Main.Version, info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

// String is the line that version prints.
func (b *build) String() string {
	return fmt.Sprintf("etcdv2dump %s, dump format %d, %s", b.Version, b.Format, b.Go)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  a.takes(0, 0, "nothing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.running = cmd.Name()
			if a.json {
				a.result = version()
				return nil
			}
			return a.print("%s\n", version())
		},
	}
}
