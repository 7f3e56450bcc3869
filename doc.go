// Package client is a client of etcd's HTTP/JSON v2 API. It has the exported
// API of the historic github.com/coreos/etcd/client and
// go.etcd.io/etcd/client/v2, and replaces them with one line of go.mod. The
// directory docs of the repository has guides: moving, failures, watching, TLS,
// discovery, tuning.
//
// # How do I begin?
//
// [New] returns a [Client]. On it are the APIs: [NewKeysAPI] for keys,
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
// A Client and the APIs on it are safe for concurrent use; create one and keep it.
// There is nothing to close. Clients share [DefaultTransport] unless
// Config.Transport is set.
//
// # Which servers?
//
// Every etcd that serves the v2 API: 2.3, 3.3, and 3.4 and 3.5 with --enable-v2.
// etcd 3.6 has dropped it. Where no server serves it, the error is a [*ClusterError]
// for which errors.Is(err, [ErrV2NotEnabled]) holds.
//
// # What do errors mean?
//
//	switch {
//	case err == context.Canceled, err == context.DeadlineExceeded:
//		// Your own context ended; a write may have been applied.
//	case client.IsKeyNotFound(err):
//		// etcd answered: an Error, with Code, Message, Cause and Index.
//	case errors.Is(err, client.ErrOutcomeUnknown):
//		// The write may have been applied: read, then decide.
//	case errors.Is(err, client.ErrClusterUnavailable):
//		// A *ClusterError: no endpoint gave an answer. A write was not applied.
//	}
//
// An [Error] is a refusal of the keys API, a [*ReplyError] any other reply that is
// not the one a call needs: with a 4xx status a refusal of the members or auth API,
// with a 2xx status a success whose rest was lost or is too large. An
// [*InvalidInputError] is what the client refused to send. Each is returned
// unwrapped. Those of replies have the endpoint, the HTTP status and the server's own
// words. The client puts no password into an error; it quotes the beginning of a
// reply that is not etcd's, whatever that holds.
//
// # What happens when an endpoint fails?
//
// Each call begins at the pinned endpoint, the one that answered last, and asks
// each of the others once as far as that is safe. A read may be sent to all of them. A
// write that ends in the same state when it is repeated (a plain Set, Update) may
// too, unless Config.StrictWrites is set. Any other write goes on only while no
// endpoint can have carried it out; otherwise the call ends with
// [ErrOutcomeUnknown], because to send it again could apply it twice. A 4xx that is
// not etcd's, such as a gateway's, is a failure of the endpoint. Where there is one
// endpoint, calls that may be repeated are tried there again, at most twice.
//
// # How long does a call take?
//
// As long as its context lets it, while an endpoint is alive and merely slow. One
// that has stopped answering is left after Config.StallInterval and a probe as
// long, 2 seconds each, or less when the deadline is near: a GET /health on a
// new connection, sent only when a reply is late. Calls that may be repeated leave a
// slow endpoint when half of the time to the deadline is over. So give each call a
// deadline. Config.HeaderTimeoutPerRequest also leaves endpoints that are alive.
//
// # How do I watch a key?
//
//	for event, err := range client.Events(ctx, kapi, "/config", &client.EventsOptions{Recursive: true, Snapshot: true}) {
//
// [Events] delivers each event once and in order, across failures of connections
// and members, or an [EventResync] when the server's history, which is 1,000
// events of the whole store, does not reach back far enough. A [Watcher] keeps the
// same promises one event and one request at a time, with an error in place of the
// EventResync. Package mirror keeps a directory in memory.
//
// # How do I keep the endpoints current?
//
// Call Sync, or run AutoSync in a goroutine of yours until its context ends. Only
// members of the same cluster are adopted, and the endpoints you configured stay as
// fallbacks. Where the cluster has SRV records, [NewFromSRV] returns a client that
// looks them up, and again by each Sync and when a call has failed on all endpoints.
package client
