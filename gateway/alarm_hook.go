package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Bounds of what is run for alarms.
const (
	hookWaiting = 16               // alarms that wait for the program to be free
	hookLimit   = 30 * time.Second // for one run, with all processes it started
	hookGrace   = 2 * time.Second  // for its output, when it has ended and others still hold it
	hookOutput  = 4 << 10          // bytes of its output that are logged
)

// alarmReport is what on_alarm gets on its standard input, as one line of JSON.
type alarmReport struct {
	Gateway  string    `json:"gateway"`
	Device   string    `json:"device"`
	Channel  string    `json:"channel"`
	Kind     string    `json:"kind"`
	ValueCPS *float64  `json:"value_cps"` // null: not known
	LimitCPS *float64  `json:"limit_cps"` // null: there is none
	TimeUTC  time.Time `json:"time_utc"`
	Text     string    `json:"text"`
	Times    uint64    `json:"times"` // excursions since the gateway started
}

// hook runs a program for each alarm, one after the other. offer may be called
// from any goroutine and never waits.
type hook struct {
	command []string // program and arguments; empty: nothing is run
	log     zerolog.Logger
	queue   chan alarmReport
	limit   time.Duration
}

func newHook(command []string, log zerolog.Logger) *hook {
	return &hook{command: command, log: log, queue: make(chan alarmReport, hookWaiting), limit: hookLimit}
}

// alarmsOf makes the watch over the readings of a task.
func (g *Gateway) alarmsOf(t *task) *alarms {
	return &alarms{
		log: t.log,
		utc: func(ns int64) time.Time {
			_, ahead := t.base.pair()
			return time.Unix(0, ns+ahead).UTC()
		},
		report: func(r alarmReport) {
			r.Gateway, r.Device = g.config.Name, t.cfg.Name
			g.hook.offer(r)
		},
	}
}

// offer has the program run for an alarm.
func (h *hook) offer(r alarmReport) {
	if len(h.command) == 0 {
		return
	}
	select {
	case h.queue <- r:
	default:
		h.log.Error().Str("device", r.Device).Str("cause", r.Text).Int("waiting", hookWaiting).Msg("on_alarm is not run for this alarm: too many wait for it")
	}
}

// run runs the program until ctx ends; what runs then is ended, and what waits
// is told in the log.
func (h *hook) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case r := <-h.queue:
			h.one(ctx, r)
		}
	}
	for {
		select {
		case r := <-h.queue:
			h.log.Warn().Str("device", r.Device).Str("cause", r.Text).Msg("on_alarm is not run for this alarm: the gateway stops")
		default:
			return
		}
	}
}

// one runs the program once, with all that it starts, and logs what came of it.
func (h *hook) one(ctx context.Context, r alarmReport) {
	log := h.log.With().Str("device", r.Device).Str("channel", r.Channel).Str("program", h.command[0]).Logger()
	line, err := json.Marshal(r)
	if err != nil {
		log.Error().Err(err).Msg("on_alarm was not run")
		return
	}
	program, err := alarmProgram(h.command[0])
	if err != nil {
		log.Error().Err(err).Msg("on_alarm was not run")
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.limit, errHookLimit)
	defer cancel()
	var out lastBytes
	cmd := exec.CommandContext(ctx, program, h.command[1:]...)
	cmd.Stdin = bytes.NewReader(append(line, '\n'))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = hookGrace
	ownGroup(cmd)
	err = cmd.Run()
	event := log.Info()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		event = log.Error().AnErr("ended", cause)
	} else if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		event = log.Error().Err(err)
	}
	if text := out.String(); text != "" {
		event = event.Str("output", text)
	}
	event.Msg("on_alarm was run")
}

// errHookLimit is why a program was ended.
var errHookLimit = errors.New("it ran for longer than " + hookLimit.String())

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	kept []byte
	lost bool
}

// Write implements io.Writer.
func (l *lastBytes) Write(b []byte) (int, error) {
	l.kept = append(l.kept, b...)
	if over := len(l.kept) - hookOutput; over > 0 {
		l.kept, l.lost = append(l.kept[:0], l.kept[over:]...), true
	}
	return len(b), nil
}

// String returns what was kept, as one text for the log.
func (l *lastBytes) String() string {
	text := strings.ToValidUTF8(strings.TrimSpace(string(l.kept)), "?")
	if l.lost {
		text = "... " + text
	}
	return text
}
