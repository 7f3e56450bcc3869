package client

import "context"

// keysAction is a call of the keys API, whose reply may be large: its body is
// decoded as it comes, unless a Client of the caller's own is in between, who may
// want to see it.
type keysAction struct {
	action

	mayLackItsNode bool // see SetOptions.NoValueOnSuccess
	streamed       bool // the body may be taken as it comes

	// Of the last attempt:
	taken    bool // consume has decoded the body
	accepted bool
	resp     *Response
	err      error
}

// send sends the call by c.
func (k *keysAction) send(ctx context.Context, c Client) (*Response, error) {
	if own, ok := c.(*httpClusterClient); ok {
		k.streamed = true
		if own.quorum {
			k.readByQuorum()
		}
		if _, err := own.do(ctx, k); err != nil {
			return nil, err
		}
		return k.resp, k.err
	}
	resp, body, err := c.Do(ctx, k) //nolint:bodyclose // Do has read and closed it
	if err != nil {
		return nil, err
	}
	if !k.accepted { // c did not pass k on
		_ = k.accept(replyOf(resp, body)) //nolint:errcheck // it is k.err
	}
	return k.resp, k.err
}

func (k *keysAction) begins(*reply) error {
	k.taken, k.accepted, k.resp, k.err = false, false, nil, nil
	return nil
}

func (k *keysAction) takesBody() bool { return k.streamed }

// consume gives errors in reading; what is wrong with what was read is accept's.
func (k *keysAction) consume(r *reply, body *trip, limit int64) error {
	var err error
	k.resp, r.body, err = decodeTreeFrom(body, limit)
	if isReadError(err) || isTooLarge(err) {
		return err
	}
	k.taken, k.err = true, err
	return nil
}

func (k *keysAction) accept(r *reply) error {
	k.accepted = true
	switch {
	case !isSuccess(r.status):
		k.err = keysError(r)
	case !k.taken:
		k.resp, k.err = decodeTreeBytes(r.body)
		fallthrough
	default:
		k.resp, k.err = finishResponse(r, k.resp, k.err, !k.mayLackItsNode)
	}
	return k.err
}
