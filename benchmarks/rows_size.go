package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/benchmarks/measure"
)

const (
	// boundLimit is how many times its bound a reply may cost that is larger.
	boundLimit = 2.2
	// sizeLimit is how many bytes the client may add to a program.
	sizeLimit = 3.5e6
)

// boundedReply is the memory of a reply that is larger than Config.MaxResponseBytes.
// The others have no bound, and read it to its end.
func boundedReply(ctx context.Context, b *Bench) ([]Line, error) {
	bound := long(b, 8<<20, 64<<10)
	body := tree(long(b, 100000, 2000))
	var costs []measure.Spread
	for _, m := range makers() {
		p, err := m.make(config{endpoints: []string{cannedEndpoint}, transport: newCanned(body), maxResponseBytes: int64(bound)})
		if err != nil {
			return nil, err
		}
		var ratios []float64
		for range min(b.options.Rounds, memoryRounds) {
			var refused error
			c, err := measure.Work(1, func(int) error {
				refused = p.getTree(ctx, treeKey)
				return nil
			})
			if err != nil {
				return nil, err
			}
			if (m.name == oursName) != isTooLarge(refused) {
				return nil, fmt.Errorf("%s: got %w", m.name, refused)
			}
			ratios = append(ratios, c.Bytes/float64(bound))
		}
		costs = append(costs, measure.NewSpread(ratios))
	}
	work := fmt.Sprintf("recursive Get, canned reply of %s over its bound of %s", measure.Bytes(float64(len(body))), measure.Bytes(float64(bound)))
	return []Line{quantity{work, "bytes allocated / bound", measure.Figures, costs[0], costs[1], costs[2]}.atMost(boundLimit)}, nil
}

func isTooLarge(err error) bool { return errors.Is(err, client.ErrResponseTooLarge) }

// programSize is how large a stripped program is that reads a key and lists the
// members.
func programSize(ctx context.Context, _ *Bench) (lines []Line, err error) {
	dir, err := os.MkdirTemp("", "size")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var sizes []float64
	// The root module's test builds two of them too. They are named by their files, so
	// that all three are built with the dependencies of this module.
	for _, program := range []string{"../testdata/size/client/main.go", "testdata/size/historic/main.go", "../testdata/size/nethttp/main.go"} {
		file := filepath.Join(dir, filepath.Base(filepath.Dir(program)))
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, program)
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("benchmarks: %w: %s", err, text)
		}
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, float64(info.Size()))
	}
	return []Line{quantity{"a stripped program", "bytes", measure.Bytes, sizes[:1], sizes[1:2], sizes[2:3]}.atMostMore(sizeLimit)}, nil
}
