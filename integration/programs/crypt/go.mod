module github.com/coreos/etcd/client/integration/programs/crypt

go 1.25.0

require github.com/xordataexchange/crypt v0.0.3-0.20170626215501-b2862e3d0a77

require (
	github.com/armon/consul-api v0.0.0-20180202201655-eb2c6b5be1b6 // indirect
	github.com/coreos/etcd/client v0.0.0 // indirect
	github.com/ugorji/go/codec v1.2.12 // indirect
	golang.org/x/crypto v0.55.0 // indirect
	golang.org/x/net v0.58.0 // indirect
	golang.org/x/text v0.41.0 // indirect
)

replace github.com/coreos/etcd/client => ../../..
