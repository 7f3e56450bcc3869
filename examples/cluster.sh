#!/bin/sh
# Builds etcd 3.5 from this checkout, runs three members on loopback with data in a
# temporary directory, and says how to kill them one by one. Ctrl-C ends all.
set -eu
cd "$(dirname "$0")/../integration/etcd35"

dir=$(mktemp -d)
pids=
end() {
	trap - EXIT INT TERM
	kill -9 $pids 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$dir"
}
trap 'end; exit' INT TERM
trap end EXIT

echo "building etcd (the first time takes a minute or two, then a second) ..."
go build -o "$dir/etcd" go.etcd.io/etcd/server/v3

peers=a=http://127.0.0.1:23801,b=http://127.0.0.1:23802,c=http://127.0.0.1:23803
n=1
for name in a b c; do
	"$dir/etcd" --enable-v2=true --name $name --data-dir "$dir/$name" --initial-cluster $peers \
		--listen-client-urls http://127.0.0.1:2379$n --advertise-client-urls http://127.0.0.1:2379$n \
		--listen-peer-urls http://127.0.0.1:2380$n --initial-advertise-peer-urls http://127.0.0.1:2380$n \
		>"$dir/$name.log" 2>&1 &
	pids="$pids $!"
	echo "member $name: http://127.0.0.1:2379$n   kill -9 $!   kill -STOP $!   kill -CONT $!"
	n=$((n + 1))
done
echo "export WORKER_ENDPOINTS=http://127.0.0.1:23791,http://127.0.0.1:23792,http://127.0.0.1:23793"
wait
