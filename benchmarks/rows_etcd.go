package benchmarks

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// fillers is how many goroutines fill a tree: one alone waits for the disk.
const fillers = 64

// etcdTree is a recursive Get from a real etcd.
func etcdTree(ctx context.Context, b *Bench) ([]Line, error) {
	endpoint, err := b.etcd(ctx)
	if err != nil {
		return nil, err
	}
	all, leave, err := guests(endpoint, makers())
	if err != nil {
		return nil, err
	}
	defer leave()
	nodes := long(b, 10000, 200)
	if err = fill(ctx, all[0].peer, nodes); err != nil {
		return nil, err
	}
	taken, err := b.runRounds(asSubjects(all, 1, func(p peer) error { return p.getTree(ctx, treeKey) }))
	if err != nil {
		return nil, err
	}
	work := "recursive Get, etcd 3.5, " + thousands(nodes) + " nodes"
	wall := of(work, "time", measure.Nanoseconds, taken, measure.Series.Wall)
	cpu := of(work, "processor time of the client", measure.Nanoseconds, taken, measure.Series.CPU)
	return []Line{cpu.against(cpu.historic, 0.40), wall.against(wall.historic, 0.80)}, nil
}

// fill writes a tree to etcd.
func fill(ctx context.Context, p peer, nodes int) error {
	var made atomic.Int64
	err := measure.Share(fillers, nodes, func() error {
		_, key, value := treeNode(int(made.Add(1)) - 1)
		return p.set(ctx, key, value)
	})
	if err != nil {
		return fmt.Errorf("filling etcd: %w", err)
	}
	return nil
}
