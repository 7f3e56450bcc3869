package client

import (
	"context"
	"strings"
)

// QuorumReads gives a KeysAPI whose every Get is one with GetOptions.Quorum, and
// that is kapi otherwise. It does for one KeysAPI what Config.Quorum does for all
// of a client, and for any KeysAPI.
func QuorumReads(kapi KeysAPI) KeysAPI {
	if own, ok := kapi.(*httpKeysAPI); ok {
		quorum := *own
		quorum.quorum = true
		return &quorum
	}
	return quorumKeysAPI{kapi}
}

type quorumKeysAPI struct{ KeysAPI }

// Get implements KeysAPI.
func (k quorumKeysAPI) Get(ctx context.Context, key string, opts *GetOptions) (*Response, error) {
	return k.KeysAPI.Get(ctx, key, byQuorum(opts))
}

// byQuorum gives opts with Quorum, and leaves the caller's as they are.
func byQuorum(opts *GetOptions) *GetOptions {
	o := GetOptions{Quorum: true}
	if opts != nil {
		o.Recursive, o.Sort = opts.Recursive, opts.Sort
	}
	return &o
}

const quorumQuery = "quorum=true"

// readByQuorum makes a Get one with a quorum.
func (k *keysAction) readByQuorum() {
	switch {
	case k.class != classRead, strings.HasPrefix(k.asks.query, quorumQuery):
	case k.asks.query == "":
		k.asks.query = quorumQuery
	default:
		k.asks.query = quorumQuery + "&" + k.asks.query
	}
}
