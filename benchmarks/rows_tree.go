package benchmarks

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// trees are recursive Gets over the loopback interface, in chunks as etcd sends them.
func trees(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	sizes := []struct {
		nodes int
		limit float64
	}{{1000, 0.45}, {10000, 0.40}, {100000, 0.30}}
	var lines []Line
	for _, size := range long(b, sizes, sizes[:1]) {
		all, leave, err := guests(s.endpoints[0], makers())
		if err != nil {
			return nil, err
		}
		key := stubTreeKey(size.nodes)
		taken, err := b.runRounds(asSubjects(all, 1, func(p peer) error { return p.getTree(ctx, key) }))
		leave()
		if err != nil {
			return nil, err
		}
		work := treeWork(size.nodes)
		wall := of(work, "time", measure.Nanoseconds, taken, measure.Series.Wall)
		cpu := of(work, processorTime, measure.Nanoseconds, taken, measure.Series.CPU)
		lines = append(lines, wall.against(wall.historic, size.limit), withRatio(cpu))
	}
	return lines, nil
}

// treeWork returns what the lines of a tree of so many nodes call their work.
func treeWork(nodes int) string { return "recursive Get, loopback, " + thousands(nodes) + " nodes" }

// withRatio returns the line with the ratio of ours to historic, without a limit.
func withRatio(q quantity) Line {
	l := q.line()
	l.Ratio = fmt.Sprintf("%.2f", q.ours.Median()/q.historic.Median())
	return l
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	if n < 10000 {
		return text
	}
	return text[:len(text)-3] + "," + text[len(text)-3:]
}

const (
	memoryRounds = 5
	// sampleEvery is the pause between two looks at the heap.
	sampleEvery = 100 * time.Microsecond
	// eagerGC collects so often that the heap is hardly more than what is in use.
	eagerGC = 5
)

// treeMemory is the memory that a recursive Get of a large tree takes.
func treeMemory(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	nodes := long(b, 100000, 2000)
	body := float64(len(tree(nodes)))
	all, leave, err := guests(s.endpoints[0], makers())
	if err != nil {
		return nil, err
	}
	defer leave()
	taken := make([]measure.Series, len(all))
	peaks := make([]measure.Spread, len(all))
	for range min(b.options.Rounds, memoryRounds) {
		for i, g := range all {
			get := func(int) error { return g.getTree(ctx, stubTreeKey(nodes)) }
			if err := get(1); err != nil { // it dials
				return nil, err
			}
			c, err := measure.Work(1, get)
			if err != nil {
				return nil, err
			}
			peak, err := peakOf(get)
			if err != nil {
				return nil, err
			}
			taken[i] = append(taken[i], c)
			peaks[i] = append(peaks[i], peak)
		}
	}
	perBody := func(s measure.Spread) measure.Spread {
		var by []float64
		for _, v := range s {
			by = append(by, v/body)
		}
		return measure.NewSpread(by)
	}
	bytesPerBody := func(s measure.Series) measure.Spread { return perBody(s.Bytes()) }
	work := fmt.Sprintf("%s (%s)", treeWork(nodes), measure.Bytes(body))
	return []Line{
		of(work, "bytes allocated / body", measure.Figures, taken, bytesPerBody).atMost(1.5),
		of(work, "allocations", measure.Count, taken, measure.Series.Allocs).atMost(3500),
		quantity{work, "peak heap / body", measure.Figures, perBody(peaks[0]), perBody(peaks[1]), perBody(peaks[2])}.atMost(1.5),
	}, nil
}

// peakOf returns by how much the heap grows while get is at work. The collector
// runs all the time, so that it is what is in use and little more.
func peakOf(get func(int) error) (float64, error) {
	// Once for what is in use no more, once for what a sync.Pool held.
	runtime.GC()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(eagerGC))
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() float64 {
		metrics.Read(sample)
		return float64(sample[0].Value.Uint64())
	}
	before := heap()
	peak := before
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				peak = max(peak, heap())
			}
		}
	}()
	err := get(1)
	close(done)
	<-ended
	return max(peak, heap()) - before, err
}
