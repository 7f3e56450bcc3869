package clientv3

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// syncTimeout bounds each Sync that the client does by itself.
const syncTimeout = 5 * time.Second

// Sync replaces the endpoints by those that the cluster's members advertise. Members
// that have not started yet are left out, and so are learners, which do not
// serve everything. The endpoints stay as they are if there is an error, which it
// is too if all of them are TLS and one that is advertised is not.
func (c *Client) Sync(ctx context.Context) error {
	list, err := c.MemberList(ctx)
	if err != nil {
		return err
	}
	var found []string
	for _, member := range list.Members {
		if member.GetName() != "" && !member.GetIsLearner() {
			found = append(found, member.GetClientURLs()...)
		}
	}
	if len(found) == 0 {
		return errors.New("clientv3: the members advertise no endpoint")
	}
	slices.Sort(found)
	if err = c.endpoints.refusePlain(found); err != nil {
		return err
	}
	return c.endpoints.set(slices.Compact(found))
}

// autoSync syncs until the client is closed.
func (c *Client) autoSync() {
	ticker := time.NewTicker(c.config.AutoSyncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(c.ctx, syncTimeout)
		if err := c.Sync(ctx); err != nil && c.ctx.Err() == nil {
			c.logf("sync of the endpoints: %v", err)
		}
		cancel()
	}
}

// rejectOldCluster asks all endpoints for their version.
func (c *Client) rejectOldCluster(ctx context.Context) error {
	endpoints := c.Endpoints()
	errs := make([]error, len(endpoints))
	var asked sync.WaitGroup
	for i, endpoint := range endpoints {
		asked.Go(func() {
			status, err := c.Status(ctx, endpoint)
			if err == nil && isOld((*pb.StatusResponse)(status).GetVersion()) {
				err = ErrOldCluster
			}
			errs[i] = err
		})
	}
	asked.Wait()
	if slices.Contains(errs, ErrOldCluster) {
		return ErrOldCluster
	}
	return errors.Join(errs...)
}

// isOld reports whether version is known to be less than 3.4.
func isOld(version string) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(second)
	return err == nil && (major < 3 || major == 3 && minor < 4)
}
