package client

import (
	"context"
	"log/slog"
	"time"
)

// What Config.Logger is told. Nothing is put together for a level that is off.

func (s *sight) logs(ctx context.Context, level slog.Level) bool {
	return s.log != nil && s.log.Enabled(ctx, level)
}

func (s *sight) logAttempt(ctx context.Context, r *AttemptResult) {
	if !s.logs(ctx, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "etcd endpoint failed",
		slog.String("endpoint", r.Endpoint), slog.String("method", r.Method), slog.String("path", r.Path),
		slog.Int("attempt", r.Number), slog.Bool("sent", r.Sent), slog.Int("status", r.StatusCode),
		slog.Duration("duration", r.Duration), slog.String("error", textForLog(r.Err)))
}

func (s *sight) logCall(ctx context.Context, method, path string, failed *ClusterError) {
	if !s.logs(ctx, slog.LevelWarn) {
		return
	}
	message := "etcd call failed on all endpoints"
	if failed.OutcomeUnknown {
		message = "etcd write may have been applied"
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, message,
		slog.String("method", method), slog.String("path", path), slog.Int("attempts", len(failed.Errors)),
		slog.String("error", textForLog(failed)))
}

func (s *sight) logSuspicion(ctx context.Context, message string, info HealthInfo) {
	if !s.logs(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("endpoint", info.Endpoint)}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", textForLog(info.Err)))
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, message, attrs...)
}

func (s *sight) logRearm(ctx context.Context, info WatchRestartInfo) {
	if !s.logs(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("path", info.Path), slog.Duration("pause", info.Pause)}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", textForLog(info.Err)))
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "etcd watch restarted", attrs...)
}

func (s *sight) logSync(ctx context.Context, err error, retry time.Duration) {
	if !s.logs(ctx, slog.LevelWarn) {
		return
	}
	attrs := []slog.Attr{slog.String("error", textForLog(err))}
	if retry > 0 {
		attrs = append(attrs, slog.Duration("retry", retry))
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "etcd sync failed", attrs...)
}

// textForLog is what an error says, without what it quotes of a reply: that may
// be the values of keys, or what was sent, from somebody who gives it back.
func textForLog(err error) string {
	switch e := err.(type) { //nolint:errorlint // attempts fail with these, bare
	case *ClusterError:
		quiet := &ClusterError{Attempts: e.Attempts, OutcomeUnknown: e.OutcomeUnknown}
		for _, each := range e.Errors {
			quiet.Errors = append(quiet.Errors, quietError{each})
		}
		return quiet.Error()
	case *ReplyError:
		quiet := *e
		quiet.Body = ""
		return quiet.Error()
	case Error:
		if e.Code == ErrorCodeTestFailed {
			e.Cause = "" // the two values
		}
		return e.Error()
	default:
		return oneLine(err.Error())
	}
}

// quietError is an error as logs show it.
type quietError struct{ error }

func (e quietError) Error() string { return textForLog(e.error) }
