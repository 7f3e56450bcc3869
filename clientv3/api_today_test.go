package clientv3_test

import (
	"slices"
	"strings"
	"testing"
)

// apiException is what of go.etcd.io/etcd/client/v3 is not here, by the
// beginnings of lines, and why.
type apiException struct {
	reason string
	lines  []string
}

func apiExceptions() []apiException {
	return []apiException{
		{"it needs zap; a Logger may be any", []string{
			"func ClientLogLevel(", "func WithZapLogger(", "type Option ", "func NewCtxClient(context.Context, ...Option)",
			"method (*Client) GetLogger(", "method (*Client) WithLogger(",
			"type Config struct, LogConfig ", "type Config struct, Logger ",
		}},
		{"it is grpclog's", []string{"func SetLogger("}},
		{"it is for etcdctl's flags; NewFromConfigFile reads files", []string{
			"func NewClientConfig(", "type ConfigSpec ", "method (*ConfigSpec) ",
			"type AuthConfig ", "method (AuthConfig) ", "type SecureConfig ",
		}},
		{"who has another connection gives it to Config.RetryDialer, or implements the interface", []string{
			"func NewAuthFromAuthClient(", "func NewClusterFromClusterClient(", "func NewKVFromKVClient(",
			"func NewLeaseFromLeaseClient(", "func NewMaintenanceFromMaintenanceClient(", "func NewWatchFromWatchClient(",
			"func RetryAuthClient(", "func RetryClusterClient(", "func RetryKVClient(", "func RetryLeaseClient(",
			"func RetryMaintenanceClient(",
		}},
		{"only etcd 3.7 serves it", []string{
			"type KV interface, GetStream(", "type GetStreamChan ", "type RangeStreamResponse ",
			"method (*RangeStreamResponse) ", "func GetStreamToGetResponse(",
		}},
		{"it is an alias, so that PermRead is one without a conversion", []string{"type PermissionType int32"}},
		{"who prints a client must not print its password", []string{
			"type Client struct, Username ", "type Client struct, Password ", "type Client struct, Token ",
		}},
		{"a Cmp is a value, and not a message of the protocol", []string{
			"func FromCompare(", "method (*Cmp) Clone(", "method (*Cmp) GetCompare(",
		}},
		{"it is for the tests of etcd", []string{
			"const AutoWatchID ", "const InvalidWatchID ", "func WithWatchBufLog(", "var LeaseResponseChSize ",
		}},
	}
}

// TestTodaysAPIIsThere lets programs of today switch by their import alone,
// unless they use what is excepted.
func TestTodaysAPIIsThere(t *testing.T) {
	current, today := exportedAPI(t), readLines(t, todaysAPIFile)
	excepted := func(line string) bool {
		return slices.ContainsFunc(apiExceptions(), func(e apiException) bool {
			return slices.ContainsFunc(e.lines, func(start string) bool { return strings.HasPrefix(line, start) })
		})
	}
	for _, line := range today {
		if !slices.Contains(current, line) && !excepted(line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, e := range apiExceptions() {
		for _, start := range e.lines {
			isStart := func(line string) bool { return strings.HasPrefix(line, start) }
			if !slices.ContainsFunc(today, isStart) {
				t.Errorf("exception for what is not there today: %s", start)
			}
		}
	}
}
