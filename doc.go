// Package client talks to etcd through its HTTP/JSON v2 API. It has the exported
// API of the historic github.com/coreos/etcd/client and
// go.etcd.io/etcd/client/v2, and takes their place with one replace line. The
// directory docs of the repository has guides: moving, failures, watching, TLS,
// discovery, tuning.
//
// # How do I begin?
//
// Make a [Client] with [New], and on it the APIs you need: [NewKeysAPI] for keys,
// [NewMembersAPI] for the cluster, [NewAuthAPI], [NewAuthUserAPI] and
// [NewAuthRoleAPI] for users and roles.
//
//	c, err := client.New(client.Config{Endpoints: []string{"http://127.0.0.1:2379"}})
//	if err != nil {
//		return err
//	}
//	kapi := client.NewKeysAPI(c)
//	resp, err := kapi.Set(ctx, "/foo", "bar", nil)
//
// A Client and the APIs on it are safe for concurrent use; make one and keep it.
// There is nothing to close. Clients share [DefaultTransport] unless Config says
// otherwise.
//
// # Which servers?
//
// Every etcd that serves the v2 API: 2.3, 3.3, and 3.4 and 3.5 with --enable-v2.
// etcd 3.6 has dropped it. A server that does not serve it is told by an error
// for which errors.Is(err, [ErrV2NotEnabled]) holds.
//
// # What does an error say?
//
//	switch {
//	case err == context.Canceled, err == context.DeadlineExceeded:
//		// Your own context ended; a write may have been applied.
//	case client.IsKeyNotFound(err):
//		// etcd answered: an Error, with Code, Message, Cause and Index.
//	case errors.Is(err, client.ErrOutcomeUnknown):
//		// No answer came, and the write may have been applied: read, then decide.
//	case errors.Is(err, client.ErrClusterUnavailable):
//		// A *ClusterError: no endpoint gave an answer. A write was not applied.
//	}
//
// An [Error] is what the keys API answers, a [*ReplyError] any other reply that is
// not the one a call needs, an [*InvalidInputError] what the client refused to
// send. Each is returned as it is, never wrapped, and each has the endpoint, the
// HTTP status and the server's own words where there are any. No error has a
// password in it.
//
// # What happens when an endpoint fails?
//
// Each call begins at the pinned endpoint, the one that answered last, and asks
// each of the others once as far as that is safe. A read may go anywhere. A write
// that ends in the same state when it is repeated (a plain Set, Update) may too,
// unless Config.StrictWrites says no. Any other write goes on only while no
// endpoint can have received it; else the call ends with [ErrOutcomeUnknown],
// because to send it again could apply it twice.
//
// # How long does a call take?
//
// As long as its context lets it, while an endpoint is alive and merely slow. One
// that has stopped answering is left after Config.StallInterval and a probe as
// long, 2 seconds each, or less when the deadline is near: a GET /health on a
// connection of its own, sent only when a reply is late. So give each call a
// deadline. Config.HeaderTimeoutPerRequest also leaves endpoints that are alive.
//
// # How do I watch a key?
//
//	for event, err := range client.Events(ctx, kapi, "/config", &client.EventsOptions{Recursive: true, Snapshot: true}) {
//
// [Events] delivers each event once and in order, across failures of connections
// and members, and says by an [EventResync] when the server's history, which is
// 1,000 events of the whole store, does not reach back far enough. A [Watcher],
// as [KeysAPI] makes it, keeps the same promises one event and one request at a
// time. Package mirror keeps a directory in memory.
//
// # How do I keep the endpoints current?
//
// Call Sync, or run AutoSync in a goroutine of yours until its context ends. The
// endpoints you configured stay as fallbacks in any case. Where the cluster has
// SRV records, [NewFromSRV] makes a client that looks them up, and again by each
// Sync and when a call has failed on all endpoints.
package client
