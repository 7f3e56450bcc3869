package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// stdio stands for stdin or stdout where a file is asked for.
const stdio = "-"

// An outFile is a file that gets its name only when it is whole: until then it
// is NAME.partial, so that what an interrupted run leaves is not mistaken for a
// dump. One of the name - is stdout, and has all that from its reader.
type outFile struct {
	io.Writer
	file    *os.File // nil: stdout
	name    string
	renamed bool
}

func (a *app) createOut(name string) (*outFile, error) {
	if name == stdio {
		return &outFile{Writer: a.stdout}, nil
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is there, and not a file", name)
	}
	f, err := os.OpenFile(partial(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &outFile{Writer: f, file: f, name: name}, nil
}

func partial(name string) string { return name + ".partial" }

// whole gives the file its name, with what has been written so far safely on
// the disk. More may be written to it afterwards.
func (f *outFile) whole() error {
	if f.file == nil || f.renamed {
		return nil
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial(f.name), f.name); err != nil {
		return err
	}
	f.renamed = true
	return nil
}

// end closes the file, which is whole if nothing failed. Otherwise it is
// removed, if it has not got its name yet. It returns the first error.
func (f *outFile) end(failed error) error {
	if f.file == nil {
		return failed
	}
	if failed == nil {
		if err := f.whole(); err != nil {
			failed = dumpError{err}
		}
	}
	if err := f.file.Close(); err != nil && failed == nil {
		failed = dumpError{err}
	}
	if failed != nil && !f.renamed {
		return errors.Join(failed, os.Remove(partial(f.name)))
	}
	return failed
}

// left says what a failed run has left of the file, if it has its name already.
func (f *outFile) left(following bool) string {
	switch {
	case !f.renamed:
		return ""
	case following:
		return f.name + " is whole up to the last change in it."
	default:
		return f.name + " ends within a new snapshot, and is not whole."
	}
}
