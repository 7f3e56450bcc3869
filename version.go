package client

import (
	"context"
	"net/http"
)

// Versions are the versions that an endpoint reports.
type Versions struct {
	// Server is the version of the member that answered.
	Server string `json:"etcdserver"`
	// Cluster is the version that all members have agreed to speak. Servers
	// before 2.1 do not report it.
	Cluster string `json:"etcdcluster"`
}

// GetVersion implements Client.
func (c *httpClusterClient) GetVersion(ctx context.Context) (*Versions, error) {
	act := &action{spec: requestSpec{method: http.MethodGet, path: "/version"}, class: classRead}
	return call(ctx, c, act, decodeVersions)
}
