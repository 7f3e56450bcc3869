// Package clientv3 talks to etcd through its v3 API, on gRPC.
//
//	cli, err := clientv3.New(clientv3.Config{
//		Endpoints:   []string{"localhost:2379", "localhost:22379", "localhost:32379"},
//		DialTimeout: 5 * time.Second,
//	})
//	if err != nil {
//		// no endpoint could be reached
//	}
//	defer cli.Close()
//
//	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
//	_, err = cli.Put(ctx, "sample_key", "sample_value")
//	cancel()
//
// A [Client] is made once and shared: it is safe for concurrent use, and keeps
// one connection to each endpoint, over which grpc-go spreads the calls.
//
// # Failover
//
// A call that changes nothing is repeated on another endpoint when one fails,
// up to Config.MaxUnaryRetries times. A call that writes, transactions with
// writes among them, is repeated only if it provably had no effect: it never
// left the client, or the server refused it before it did anything. Any other
// failure of a write is returned, as nobody knows whether it was applied.
//
// # Errors
//
// When the context of a call ends first, the error is that of the context, bare:
// [context.Canceled] or [context.DeadlineExceeded]. What etcd itself says is an
// error of package rpctypes, comparable with == and errors.Is:
//
//	switch _, err := cli.Put(ctx, "", ""); {
//	case err == context.DeadlineExceeded:
//		// too late
//	case errors.Is(err, rpctypes.ErrEmptyKey):
//		// no key
//	default:
//		// a gRPC status, say codes.Unavailable: no endpoint can be reached
//	}
//
// A call that is wrong in itself (an option that its operation has no use for, an
// unknown comparison) is an error that names the mistake, and nothing is sent.
package clientv3
