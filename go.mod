module github.com/coreos/etcd/client

go 1.25.0

require (
	github.com/ugorji/go/codec v1.2.12
	golang.org/x/net v0.58.0
)

require golang.org/x/text v0.41.0 // indirect
