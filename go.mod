module github.com/coreos/etcd/client

go 1.25.0

require github.com/ugorji/go/codec v1.3.2
