module github.com/coreos/etcd/client/integration/programs/gokit

go 1.25.0

require (
	github.com/go-kit/kit v0.13.0
	github.com/go-kit/log v0.2.0
)

require (
	github.com/coreos/etcd v3.3.27+incompatible // indirect
	github.com/go-logfmt/logfmt v0.5.1 // indirect
	github.com/ugorji/go/codec v1.2.12 // indirect
	go.etcd.io/etcd/client/v2 v2.305.0 // indirect
	golang.org/x/net v0.58.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace go.etcd.io/etcd/client/v2 => ../../..
