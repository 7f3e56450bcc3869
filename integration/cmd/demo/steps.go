package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// callTimeout bounds each step.
const callTimeout = 20 * time.Second

// A demo is what the steps need.
type demo struct {
	cluster  *harness.Cluster
	keys     client.KeysAPI
	answered *lastAnswer
	killed   *harness.Member
}

// A step does one thing and returns what came of it, or why it is wrong.
type step struct {
	title string
	do    func(context.Context) (string, error)
}

func (s step) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.do(ctx)
}

func newDemo(cluster *harness.Cluster) (*demo, error) {
	answered := &lastAnswer{base: &http.Transport{}}
	c, err := client.New(client.Config{Endpoints: cluster.Endpoints(), Transport: answered})
	if err != nil {
		return nil, err
	}
	return &demo{cluster: cluster, keys: client.NewKeysAPI(c), answered: answered}, nil
}

func (d *demo) close() { d.answered.base.CloseIdleConnections() }

func (d *demo) steps() []step {
	return []step{
		{"set", d.set},
		{"get", d.get},
		{"compare-and-swap", d.swap},
		{"the same once more", d.swapAgain},
		{"watch", d.watch},
		{"in-order keys", d.queue},
		{"kill -9", d.kill},
		{"the next call", d.getElsewhere},
	}
}

func (d *demo) set(ctx context.Context) (string, error) {
	resp, err := d.keys.Set(ctx, "/demo/greeting", "hello", nil)
	return show(resp, err, "set", "hello")
}

func (d *demo) get(ctx context.Context) (string, error) {
	resp, err := d.keys.Get(ctx, "/demo/greeting", nil)
	return show(resp, err, "get", "hello")
}

func (d *demo) swap(ctx context.Context) (string, error) {
	resp, err := d.keys.Set(ctx, "/demo/greeting", "hello again", &client.SetOptions{PrevValue: "hello"})
	return show(resp, err, "compareAndSwap", "hello again")
}

// swapAgain fails, for the value is another one by now.
func (d *demo) swapAgain(ctx context.Context) (string, error) {
	_, err := d.keys.Set(ctx, "/demo/greeting", "hello again", &client.SetOptions{PrevValue: "hello"})
	var refused client.Error
	if !errors.As(err, &refused) || refused.Code != client.ErrorCodeTestFailed {
		return "", fmt.Errorf("got %w, want code %d", err, client.ErrorCodeTestFailed)
	}
	return fmt.Sprintf("refused, in the server's words: %s %s", refused.Message, refused.Cause), nil
}

func (d *demo) watch(ctx context.Context) (string, error) {
	now, err := d.keys.Get(ctx, "/demo/greeting", nil)
	if err != nil {
		return "", err
	}
	w := d.keys.Watcher("/demo", &client.WatcherOptions{AfterIndex: now.Index, Recursive: true})
	written := make(chan error, 1)
	go func() {
		_, setErr := d.keys.Set(ctx, "/demo/news", "it works", nil)
		written <- setErr
	}()
	event, err := w.Next(ctx)
	shown, err := show(event, err, "set", "it works")
	return "event: " + shown, errors.Join(err, <-written)
}

func (d *demo) queue(ctx context.Context) (string, error) {
	for _, v := range []string{"first", "second", "third"} {
		if _, err := d.keys.CreateInOrder(ctx, "/demo/queue", v, nil); err != nil {
			return "", err
		}
	}
	resp, err := d.keys.Get(ctx, "/demo/queue", &client.GetOptions{Sort: true})
	if err != nil {
		return "", err
	}
	values := make([]string, 0, len(resp.Node.Nodes))
	for _, n := range resp.Node.Nodes {
		values = append(values, n.Value)
	}
	got := strings.Join(values, ", ")
	if want := "first, second, third"; got != want {
		return "", fmt.Errorf("got %q, want %q", got, want)
	}
	return got, nil
}

// kill ends the member that served us so far.
func (d *demo) kill(context.Context) (string, error) {
	d.killed = d.cluster.MemberAt(d.answered.endpoint())
	if d.killed == nil {
		return "", fmt.Errorf("no member serves %s", d.answered.endpoint())
	}
	d.killed.Kill()
	return fmt.Sprintf("member %s at %s, which answered so far", d.killed.Name(), d.killed.ClientURL()), nil
}

func (d *demo) getElsewhere(ctx context.Context) (string, error) {
	began := time.Now()
	resp, err := d.keys.Get(ctx, "/demo/greeting", nil)
	shown, err := show(resp, err, "get", "hello again")
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	m := d.cluster.MemberAt(d.answered.endpoint())
	if m == nil || m == d.killed {
		return "", fmt.Errorf("%s answered", d.answered.endpoint())
	}
	return fmt.Sprintf("%s, by member %s at %s, in %.1f ms", shown, m.Name(), m.ClientURL(), took.Seconds()*1000), nil
}

// show checks a response and puts it in words.
func show(resp *client.Response, err error, action, value string) (string, error) {
	if err != nil {
		return "", err
	}
	if resp.Action != action || resp.Node == nil || resp.Node.Value != value {
		return "", fmt.Errorf("got %s of %v, want %s of %q", resp.Action, resp.Node, action, value)
	}
	return fmt.Sprintf("%s = %q", resp.Node.Key, resp.Node.Value), nil
}

// A lastAnswer is a transport that remembers who answered last.
type lastAnswer struct {
	base *http.Transport
	last atomic.Pointer[string]
}

func (l *lastAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.base.RoundTrip(req)
	if err == nil {
		endpoint := req.URL.Scheme + "://" + req.URL.Host
		l.last.Store(&endpoint)
	}
	return resp, err
}

func (l *lastAnswer) endpoint() string {
	if e := l.last.Load(); e != nil {
		return *e
	}
	return "nobody"
}
