package main

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"time"

	"github.com/coreos/etcd/client/mirror"
)

const mostParallel = 100

// settings are what can be changed while the program runs, each by a key of its
// name in config/.
type settings struct {
	greeting string
	parallel int           // jobs at a time; with none, the worker has a rest
	pause    time.Duration // how long a job takes
}

// configuration is the directory config/ as it is now. It is for one goroutine.
type configuration struct {
	log     *slog.Logger
	dir     string
	mirror  *mirror.Mirror
	changed chan struct{} // holds one value when something has changed
	last    settings
}

// followConfiguration reads the configuration, and follows it until stop is called
// or ctx ends. While the cluster is away, and where the server's history was lost,
// the settings stay as they were known last.
func (w *worker) followConfiguration(ctx context.Context) (*configuration, error) {
	c := &configuration{
		log: w.log, dir: w.prefix + "/config", changed: make(chan struct{}, 1),
		last: settings{greeting: "hello", parallel: 1, pause: time.Second},
	}
	var err error
	c.mirror, err = mirror.New(ctx, w.kapi, c.dir, &mirror.Options{
		OnChange: func([]mirror.Change) {
			select {
			case c.changed <- struct{}{}:
			default: // it is known already
			}
		},
		Retry: func(err error) { w.log.Warn("following the configuration failed", "error", err) },
	})
	return c, err
}

func (c *configuration) stop() { c.mirror.Close() }

// ended says why the configuration is followed no more.
func (c *configuration) ended() error { return c.mirror.Err() }

// settings gives what the configuration says, and what it said before if that is
// wrong.
func (c *configuration) settings() settings {
	next, err := parse(c.mirror.View(), c.dir)
	if err != nil {
		c.log.Error("the configuration is wrong, and not applied", "error", err)
		return c.last
	}
	c.last = next
	return next
}

// waitForOther waits until the settings are others than old, or ctx ends, or the
// configuration is followed no more.
func (c *configuration) waitForOther(ctx context.Context, old settings) {
	for {
		select {
		case <-c.changed:
			if c.settings() != old {
				return
			}
		case <-c.mirror.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// parse reads the settings. What has no key has a default.
func parse(view *mirror.View, dir string) (settings, error) {
	s := settings{greeting: "hello", parallel: 1, pause: time.Second}
	for _, node := range view.List(dir) {
		var err error
		switch path.Base(node.Key) {
		case "greeting":
			s.greeting = node.Value
		case "parallel":
			s.parallel, err = strconv.Atoi(node.Value)
			if err == nil && (s.parallel < 0 || s.parallel > mostParallel) {
				err = fmt.Errorf("it is 0 to %d", mostParallel)
			}
		case "pause":
			s.pause, err = time.ParseDuration(node.Value)
		}
		if err != nil {
			return settings{}, fmt.Errorf("%s=%q: %w", node.Key, node.Value, err)
		}
	}
	return s, nil
}
