package clientv3

import (
	"context"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// SnapshotResponse is what [Maintenance.SnapshotWithVersion] returns.
type SnapshotResponse struct {
	// Header tells the revision that the snapshot is of, from etcd 3.6 on.
	Header *pb.ResponseHeader
	// Snapshot is the database, which the caller must Close.
	Snapshot io.ReadCloser
	// Version is the version of the server's storage, from etcd 3.6 on.
	Version string
}

func (m *maintenance) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	response, err := m.SnapshotWithVersion(ctx)
	if err != nil {
		return nil, err
	}
	return response.Snapshot, nil
}

func (m *maintenance) SnapshotWithVersion(ctx context.Context) (*SnapshotResponse, error) {
	r := &snapshotReader{}
	r.ctx, r.cancel = context.WithCancel(ctx)
	if err := r.begin(&m.c.caller); err != nil {
		r.cancel()
		return nil, err
	}
	return &SnapshotResponse{Header: r.part.GetHeader(), Snapshot: r, Version: r.part.GetVersion()}, nil
}

// snapshotReader reads a snapshot as the server sends it.
type snapshotReader struct {
	ctx    context.Context
	cancel context.CancelFunc
	stream grpc.ClientStream
	part   *pb.SnapshotResponse // the one that came last
	unread []byte               // of part
	err    error                // that reading ended with
}

// begin goes as far as the first part, from another endpoint if need be.
func (r *snapshotReader) begin(c *caller) error {
	a := attempt{effect: reads}
	for {
		var err error
		desc := &pb.Maintenance_ServiceDesc.Streams[0]
		if r.stream, a.used, err = c.openStream(r.ctx, desc, pb.Maintenance_Snapshot_FullMethodName); err == nil {
			if err = r.request(); err == nil {
				return nil
			}
		}
		if err = c.again(r.ctx, &a, err); err != nil {
			return err
		}
	}
}

func (r *snapshotReader) request() error {
	if err := r.stream.SendMsg(&pb.SnapshotRequest{}); err != nil && err != io.EOF { //nolint:errorlint // grpc-go has it bare, and then receive tells why
		return err
	}
	if err := r.stream.CloseSend(); err != nil {
		return err
	}
	err := r.receive()
	if err == io.EOF { //nolint:errorlint // grpc-go has it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *snapshotReader) receive() error {
	part := new(pb.SnapshotResponse)
	if err := r.stream.RecvMsg(part); err != nil {
		return err
	}
	r.part, r.unread = part, part.GetBlob()
	return nil
}

// Read implements [io.Reader].
func (r *snapshotReader) Read(p []byte) (int, error) {
	for len(r.unread) == 0 && len(p) > 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.err = r.next()
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// next gets the next part, and makes sure that no part is missing at the end.
func (r *snapshotReader) next() error {
	err := r.receive()
	switch {
	case err != io.EOF: //nolint:errorlint // grpc-go has it bare
		return ContextError(r.ctx, err)
	case r.part.GetRemainingBytes() > 0:
		return io.ErrUnexpectedEOF
	default:
		return io.EOF
	}
}

// Close ends the snapshot, whether it was read to its end or not.
func (r *snapshotReader) Close() error {
	r.cancel()
	return nil
}
