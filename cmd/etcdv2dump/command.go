package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const longHelp = `etcdv2dump saves the keys of an etcd v2 store to a file (export), brings them
into another store (import), compares the two (diff), removes what has been
moved (purge), and moves a store to another one while programs write (move),
also to one that has only the v3 API.

A store is named by --endpoints. Flags and environment variables are those of
etcdctl, for its v2 API and, as aliases, for v3: ETCDCTL_ENDPOINTS,
ETCDCTL_CA_FILE or ETCDCTL_CACERT, ETCDCTL_USERNAME or ETCDCTL_USER,
ETCDCTL_PASSWORD, and so on. A flag goes before its variable. With --api v3 it
is a store of the v3 API that has keys of v2, as move brings them there.

Every command may be interrupted at any point, and run again: what is done is
found done, and nothing is done twice.`

const longExitCodes = `Exit codes:
  0    done; for diff: no difference
  1    diff: there are differences; import: what the store holds afterwards is
       not what the dump says; purge: the answer was not yes; move: the new
       store differs, or the old one was written after the switch
  2    the command line or the environment is wrong; nothing was done
  3    the store was not reached, or refused
  4    import: keys of the store were in the way, and were left as they were;
       move: the new store is not empty, was written by others, or refused keys
  5    the dump is damaged or incomplete, or can't be read or written
  130  interrupted by Ctrl-C or SIGTERM`

const rootExample = `  # Move everything from one cluster to another, and look whether it is there.
  etcdv2dump export --endpoints http://old:2379 -o dump.jsonl
  etcdv2dump import --endpoints http://new:2379 dump.jsonl
  etcdv2dump diff http://old:2379 http://new:2379`

// command puts the commands together. Their flags fill a.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "etcdv2dump",
		Short:         "Save, restore, compare and remove the keys of an etcd v2 store",
		Long:          longHelp + "\n\n" + longExitCodes,
		Example:       rootExample,
		Version:       version().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.help = helpHint(cmd.CommandPath())
		return usageError{err}
	})
	root.SetGlobalNormalizationFunc(aliased)
	flags := root.PersistentFlags()
	flags.SortFlags = false
	a.connection.define(flags)
	flags.BoolVar(&a.json, "json", a.json, "print the result, and an error too, as JSON on stdout")
	root.AddCommand(a.exportCommand(), a.importCommand(), a.diffCommand(), a.moveCommand(), a.purgeCommand(), a.versionCommand())
	completeWords(root, "api", apiAuto, apiV2, apiV3)
	for _, cmd := range root.Commands() {
		cmd.Flags().SortFlags = false
		cmd.DisableFlagsInUseLine = true
	}
	return root
}

// takes checks that a command has the arguments it wants, of which want tells
// in its error.
func (a *app) takes(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		a.help = helpHint(cmd.CommandPath())
		if len(args) < least || len(args) > most {
			return usageErrorf("%s wants %s, and got %s", cmd.Name(), want, count(int64(len(args)), "argument"))
		}
		return nil
	}
}

func helpHint(command string) string {
	return fmt.Sprintf("%s --help tells how to use it.", command)
}

func completeWords(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // Only for a flag that is not defined, or twice.
	}
}
