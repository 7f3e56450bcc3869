package main

import (
	"context"
	"strings"

	"github.com/spf13/pflag"
)

// toPassword is the variable of --to-password.
const toPassword = "ETCDV2DUMP_TO_PASSWORD"

// A target says how the store is reached that is moved to.
type target struct{ connection }

func (t *target) define(flags *pflag.FlagSet) {
	flags.StringArrayVar(&t.endpoints, "to-endpoints", nil, "the new cluster's members, separated by commas: `URL,...`")
	flags.StringVar(&t.api, "to-api", apiAuto, "the `API` of the new store: v2, v3, or auto")
	flags.StringVar(&t.prefix, "to-prefix", "", "keep the keys below this `PREFIX` of a v3 store")
	flags.StringVar(&t.caFile, "to-ca-file", "", "trust the new servers by the authorities in this `FILE`")
	flags.StringVar(&t.certFile, "to-cert-file", "", "show them the certificate in this `FILE`")
	flags.StringVar(&t.keyFile, "to-key-file", "", "the `FILE` with the certificate's key")
	flags.StringVar(&t.username, "to-username", "", "log in there as `NAME[:PASSWORD]`; without a password the terminal asks")
	flags.StringVar(&t.password, "to-password", "", "the `PASSWORD` for --to-username; "+toPassword+" keeps it out of ps")
}

// complete checks the flags.
func (t *target) complete(env func(string) (string, bool)) error {
	switch {
	case len(t.endpoints) == 0:
		return usageErrorf("--to-endpoints says where to move")
	case (t.certFile == "") != (t.keyFile == ""):
		return usageErrorf("--to-cert-file and --to-key-file go together, and one of them is missing")
	case t.password != "" && t.username == "":
		return usageErrorf("--to-password without --to-username")
	}
	if name, password, ok := strings.Cut(t.username, ":"); ok {
		t.username, t.password = name, password
	}
	if t.username != "" && t.password == "" {
		t.password, _ = env(toPassword)
	}
	return checkAPI("--to-api", t.api)
}

// openTarget opens the store that is moved to, and says by which API.
func (a *app) openTarget(ctx context.Context, t *target) (store, string, error) {
	if err := a.needPassword(ctx, &t.connection, "--to-username NAME:PASSWORD or "+toPassword); err != nil {
		return store{}, "", err
	}
	return a.openNamed(ctx, &t.connection, "the new store")
}
