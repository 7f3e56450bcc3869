//go:build !unix

package harness

import (
	"context"
	"errors"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// guard does nothing where there is no POSIX shell: only an orderly end of this
// process ends its servers.
func guard(context.Context, int) (release func(), err error) { return func() {}, nil }

func (*process) stop() error { return errors.ErrUnsupported }

func (*process) cont() error { return errors.ErrUnsupported }
