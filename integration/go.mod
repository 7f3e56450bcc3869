module github.com/coreos/etcd/client/integration

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/coreos/etcd/client v0.0.0
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
	golang.org/x/net v0.58.0
)

require github.com/ugorji/go/codec v1.3.2 // indirect

replace github.com/coreos/etcd/client => ../
