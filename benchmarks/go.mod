module github.com/coreos/etcd/client/benchmarks

go 1.26.0

require (
	github.com/coreos/etcd/client v0.0.0
	github.com/coreos/etcd/client/integration v0.0.0
	github.com/json-iterator/go v1.1.12
	github.com/ugorji/go/codec v1.2.12
	go.etcd.io/etcd/client/v2 v2.305.35
)

require (
	github.com/coreos/go-semver v0.3.0 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	go.etcd.io/etcd/api/v3 v3.5.35 // indirect
	go.etcd.io/etcd/client/pkg/v3 v3.5.35 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace (
	github.com/coreos/etcd/client => ../
	github.com/coreos/etcd/client/integration => ../integration
)
