package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/coreos/etcd/client/concurrency"
)

// registration is what others learn about a worker.
type registration struct {
	Name  string    `json:"name"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// register begins a session whose own key is the registration. It has the session's
// TTL, so that it goes when the worker is killed, and is deleted when the worker
// leaves. Its renewals do not wake those who watch the directory.
func (w *worker) register(opts ...concurrency.SessionOption) (*concurrency.Session, error) {
	value, err := json.Marshal(registration{w.name, os.Getpid(), time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	opts = append(opts, concurrency.WithDirectory(w.prefix+"/workers"), concurrency.WithValue(string(value)))
	return concurrency.NewSession(w.kapi, opts...)
}
