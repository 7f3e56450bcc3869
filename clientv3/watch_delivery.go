package clientv3

import (
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

const (
	// deliveryChannel is how many responses wait in the channel itself.
	deliveryChannel = 8
	// deliveryLimit is how many bytes of responses may wait behind the channel
	// before the watch is suspended on the server.
	deliveryLimit = 4 << 20
	// What a response and an event take beside their keys and values.
	responseOverhead = 128
	eventOverhead    = 256
)

// delivery carries the responses of one watch to its reader. Nothing that puts
// ever blocks, and a watch with a reader that keeps up has no goroutine: one
// starts when the channel is full and ends when the queue behind it is empty.
type delivery struct {
	ch      chan WatchResponse
	gone    <-chan struct{} // the reader's context has ended
	closing <-chan struct{} // the watcher has been closed
	start   func(func())    // runs the pump in a goroutine that Close waits for
	onRoom  func()          // called once after each awaitRoom that was false

	mu      sync.Mutex // guards the fields below
	queue   []WatchResponse
	bytes   int  // size of the queue, and of what the pump is sending
	pumping bool // a goroutine moves the queue into the channel, and closes it
	ended   bool // nothing may be put any more
	waiting bool // onRoom is to be called
}

// put passes on a response, and tells if so much waits that no more should come.
func (d *delivery) put(resp WatchResponse) (full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	d.add(resp)
	return d.bytes > deliveryLimit
}

// end closes the channel after what is queued and, if there is one, a last response.
func (d *delivery) end(last *WatchResponse) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	d.ended = true
	if last != nil {
		d.add(*last)
	}
	if !d.pumping {
		close(d.ch)
	}
}

// drop closes the channel and forgets what is queued.
func (d *delivery) drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue, d.bytes = nil, 0
	if d.ended {
		return
	}
	d.ended = true
	if !d.pumping {
		close(d.ch)
	}
}

// awaitRoom tells if half of the room is free. If not, onRoom is called when it is.
func (d *delivery) awaitRoom() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = d.bytes > deliveryLimit/2
	return !d.waiting
}

// add needs mu held.
func (d *delivery) add(resp WatchResponse) {
	if !d.pumping {
		select {
		case d.ch <- resp:
			return
		default:
		}
		d.pumping = true
		d.start(d.pump)
	}
	d.queue = append(d.queue, resp)
	d.bytes += responseSize(&resp)
}

// pump moves the queue into the channel until it is empty.
func (d *delivery) pump() {
	var batch []WatchResponse
	for {
		batch = d.takeQueue(batch)
		if batch == nil {
			return
		}
		for i := range batch {
			size := responseSize(&batch[i])
			select {
			case d.ch <- batch[i]:
			case <-d.gone:
				d.abandon()
				return
			case <-d.closing:
				d.abandon()
				return
			}
			batch[i] = WatchResponse{}
			d.sent(size)
		}
	}
}

// takeQueue gives what is queued, or nil when the pump has nothing more to do. The
// batch before, which has been sent, makes room for the next.
func (d *delivery) takeQueue(sent []WatchResponse) []WatchResponse {
	d.mu.Lock()
	defer d.mu.Unlock()
	batch := d.queue
	d.queue = sent[:0]
	if len(batch) == 0 {
		d.queue = nil
		d.bytes = 0
		d.pumping = false
		if d.ended {
			close(d.ch)
		}
		return nil
	}
	return batch
}

func (d *delivery) sent(size int) {
	d.mu.Lock()
	d.bytes -= size
	call := d.waiting && d.bytes <= deliveryLimit/2
	if call {
		d.waiting = false
	}
	d.mu.Unlock()
	if call {
		d.onRoom()
	}
}

func (d *delivery) abandon() {
	d.drop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pumping = false
	close(d.ch)
}

// responseSize is about how many bytes of memory a response holds.
func responseSize(resp *WatchResponse) int {
	size := responseOverhead
	for _, event := range resp.Events {
		size += eventOverhead + keyValueSize(event.Kv) + keyValueSize(event.PrevKv)
	}
	return size
}

func keyValueSize(kv *mvccpb.KeyValue) int {
	if kv == nil {
		return 0
	}
	return len(kv.Key) + len(kv.Value)
}
