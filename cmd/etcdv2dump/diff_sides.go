package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/coreos/etcd/client/dump"
)

// A dumpFile is a dump on the disk, which can be read twice: diff must know what
// to ask a store for before it compares.
type dumpFile struct {
	*os.File
	root   string   // that the dump is of
	hidden []string // the hidden nodes in it, without the root
}

// openDumpFile reads a dump through once. Stdin is copied to the disk, where it
// has no name, so that nothing is left of it.
func (a *app) openDumpFile(ctx context.Context, name string) (*dumpFile, error) {
	in, err := a.openDump(ctx, name)
	if err != nil {
		return nil, err
	}
	f, ok := in.(*os.File)
	if !ok {
		if f, err = spool(in); err != nil {
			return nil, err
		}
	}
	d := &dumpFile{File: f}
	if err := d.survey(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

func spool(r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "etcdv2dump-")
	if err != nil {
		return nil, dumpError{err}
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, r)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// survey finds out root and hidden, and goes back to the beginning.
func (d *dumpFile) survey(ctx context.Context) error {
	r := dump.NewReader(d.File)
	for ctx.Err() == nil {
		record, err := r.Next()
		if err != nil {
			return err
		}
		switch {
		case record.Header != nil:
			d.root = record.Header.Root
		case record.Node != nil:
			if strings.HasPrefix(path.Base(record.Node.Key), "_") {
				d.hidden = append(d.hidden, strings.TrimPrefix(record.Node.Key, strings.TrimSuffix(d.root, "/")))
			}
		case record.Trailer != nil: // Changes are not compared.
			_, err := d.Seek(0, io.SeekStart)
			return err
		}
	}
	return ctx.Err()
}

// isStore tells the URLs of a store from the name of a file.
func isStore(arg string) bool { return strings.Contains(arg, "://") }

// A side is one of the two that diff compares.
type side struct {
	name   string
	dump   *dumpFile // nil: a store
	store  store
	root   string   // of the store
	hidden []string // in the store
	close  func()
}

// openSide opens what an argument of diff names; an empty one is the store of
// the flags.
func (a *app) openSide(ctx context.Context, arg string) (*side, error) {
	if arg != "" && !isStore(arg) {
		d, err := a.openDumpFile(ctx, arg)
		if err != nil {
			return nil, err
		}
		return &side{name: arg, dump: d, close: func() { _ = d.Close() }}, nil //nolint:errcheck // it was only read
	}
	urls := a.connection.urls()
	if arg != "" {
		urls = strings.Split(arg, ",")
	}
	s, err := a.open(ctx, urls)
	if err != nil {
		return nil, err
	}
	return &side{name: s.name, store: s, close: s.close}, nil
}

// aim says where in the store to look: at the flags' root, or that of the dump
// on the other side, with the hidden nodes that the dump has.
func (s *side) aim(d differ, other *side) {
	s.root, s.hidden = d.root, d.hidden
	if other.dump == nil {
		return
	}
	if s.root == "" {
		s.root = other.dump.root
	}
	for _, key := range other.dump.hidden {
		s.hidden = append(s.hidden, path.Join("/", s.root, key))
	}
}

func (s *side) source() dump.Source {
	if s.dump != nil {
		return dump.File(s.dump)
	}
	return dump.Store(s.store, s.root, s.hidden...)
}
