module github.com/coreos/etcd/clientv3/integration

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/coreos/etcd/client v0.0.0
	github.com/coreos/etcd/client/integration v0.0.0
	github.com/coreos/etcd/clientv3 v0.0.0
	github.com/google/go-cmp v0.7.0
	go.etcd.io/etcd/api/v3 v3.7.3
	google.golang.org/grpc v1.85.0
)

require (
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/grpc-ecosystem/grpc-gateway/v2 v2.29.0 // indirect
	github.com/ugorji/go/codec v1.2.12 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/coreos/etcd/client => ../..
	github.com/coreos/etcd/client/integration => ../../integration
	github.com/coreos/etcd/clientv3 => ..
)
