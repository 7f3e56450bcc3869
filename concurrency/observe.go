package concurrency

import (
	"context"
	"path"
	"strings"

	"github.com/coreos/etcd/client"
)

// Leader reads with a quorum who the leader is. Node.Value is what it has proclaimed,
// Node.CreatedIndex its [Election.Rev]. The session may have ended.
//
// The error is [ErrElectionNoLeader] when nobody is; ctx.Err() when ctx ends; an
// [*OpError] when the read fails, which is not repeated.
func (e *Election) Leader(ctx context.Context) (*client.Response, error) {
	if err := e.line.checkInput(ctx); err != nil {
		return nil, err
	}
	resp, err := e.line.s.kapi.Get(ctx, e.line.dir, &client.GetOptions{Quorum: true})
	switch {
	case isRefusal(err, client.ErrorCodeKeyNotFound):
		return nil, ErrElectionNoLeader
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil && (resp == nil || resp.Node == nil):
		err = errNoNode
		fallthrough
	case err != nil:
		return nil, &OpError{Op: "read the leader of", Key: e.line.dir, Err: err}
	}
	entries := inOrder(resp.Node.Nodes)
	if len(entries) == 0 {
		return nil, ErrElectionNoLeader
	}
	return &client.Response{Action: "get", Node: proclaimed(entries[0]), Index: resp.Index, ClusterID: resp.ClusterID}, nil
}

// proclaimed gives a leader's node as callers see it.
func proclaimed(n *client.Node) *client.Node {
	leader := *n
	_, _, leader.Value = parseValue(n.Value)
	return &leader
}

// Observe sends who is the leader now, if anybody is, and then each new leader and
// each new value, in their order, as [Election.Leader] gives them. That there is no
// leader any more is not sent. It needs no leadership, and goes on when the session
// has ended.
//
// Nothing is left out as long as the receiver keeps up. One that does not gets what
// it missed late, and where the server's history of 1,000 events has been lost
// meanwhile, or the connection to it for as long, the newest of it only; never an
// older one after a newer. An entry whose creation a member carries out late, when
// its owner has given it up, may show as a leader's for a moment, until the owner's
// session has deleted it: nobody ever leads by its index.
//
// The channel is closed when ctx ends, or when the server refuses for good to be
// watched, which [Election.Leader] then says as well. Its goroutine ends with ctx, whether or
// not anybody receives.
func (e *Election) Observe(ctx context.Context) <-chan *client.Response {
	seen := make(chan *client.Response)
	if e.line.checkInput(ctx) != nil {
		close(seen)
		return seen
	}
	go func() {
		defer close(seen)
		e.line.observe(ctx, func(leader *client.Response) bool {
			select {
			case seen <- leader:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return seen
}

// observe calls send with each new leader or value until that is false, ctx ends or
// the server refuses.
func (l *line) observe(ctx context.Context, send func(*client.Response) bool) {
	entries := map[string]*client.Node{}
	var last *client.Node
	for event, err := range client.Events(ctx, l.s.kapi, l.dir, &client.EventsOptions{Recursive: true, Snapshot: true}) {
		if err != nil {
			return // final; Observe says how that is found out
		}
		l.apply(entries, event)
		head := first(entries)
		if head == nil || last != nil && last.Key == head.Key && last.Value == head.Value {
			continue
		}
		last = head
		if !send(&client.Response{Action: "get", Node: proclaimed(head), Index: event.Index}) {
			return
		}
	}
}

// apply changes the entries as an event says.
func (l *line) apply(entries map[string]*client.Node, event *client.Event) {
	switch n := event.Node; {
	case event.Kind == client.EventResync:
		clear(entries)
		if n == nil {
			return
		}
		for _, child := range inOrder(n.Nodes) {
			entries[child.Key] = child
		}
	case event.IsDelete():
		delete(entries, n.Key)
		for key := range entries {
			if strings.HasPrefix(key, n.Key+"/") {
				delete(entries, key)
			}
		}
	case isEntry(n) && strings.HasSuffix(path.Dir(n.Key), l.dir): // the server may know it by a longer name
		entries[n.Key] = n
	}
}

// first gives the head of the line, nil if it is empty.
func first(entries map[string]*client.Node) *client.Node {
	var head *client.Node
	for _, n := range entries {
		if head == nil || n.CreatedIndex < head.CreatedIndex {
			head = n
		}
	}
	return head
}
