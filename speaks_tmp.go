package client

import "strings"

// speaksEtcd reports whether a reply is etcd's own.
func speaksEtcd(r *reply) bool {
	if r.get(headerClusterID) != "" {
		return true
	}
	var e Error
	if unmarshal(r.body, &e) == nil && e.Code != 0 {
		return true
	}
	var document struct {
		Message string `json:"message"`
	}
	return unmarshal(r.body, &document) == nil && (document.Message == "Insufficient credentials" || strings.HasPrefix(document.Message, "No such member: "))
}
