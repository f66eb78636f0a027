package receiver

import (
	"context"
	"net"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// told are the sentences of a log, in order, that are about a stream or the
// connection.
func (l *lab) told() []string {
	var said []string
	for line := range strings.SplitSeq(l.log.String(), "\n") {
		if m := regexp.MustCompile(`"level":"(info|warn)".*"message":"(.*(?:no reading|readings again|connected again|closed the connection).*)"`).FindStringSubmatch(line); m != nil {
			said = append(said, m[1]+" "+regexp.MustCompile(`connected again after [34]. s`).ReplaceAllString(m[2], "connected again after N s"))
		}
	}
	return said
}

// publish is a frame of the bench that is measured now.
func (l *lab) publish(m *frameMaker) {
	l.mu.Lock()
	l.streams[1].frames = append(l.streams[1].frames, m.out...)
	l.mu.Unlock()
	l.push(m.out)
	m.out = nil
}

// TestChangesAreTold: one line when readings stay away, one when they are back; so for
// the connection, each time. While that is lost nothing is said of instruments, and
// what it missed is no silence.
func TestChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 4)
		began := time.Now()
		now := func() int64 { return l.nowNs + int64(time.Since(began)) }
		m := &frameMaker{t: t, stream: 2, epoch: 1, seq: 5, index: 8}
		come := func(seconds int) { // two readings each 200 ms
			for range seconds * 5 {
				time.Sleep(200 * time.Millisecond)
				m.time = now() - 200*ms
				l.publish(m.counts([]uint64{m.seq, 1}, []uint64{m.seq, 2}))
			}
		}
		var away atomic.Bool
		stop := l.standing(t, func(o *RecordOptions) {
			o.Dial = func(ctx context.Context, to string) (net.Conn, error) {
				if away.Load() {
					return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
				}
				return l.dial(ctx, to)
			}
			o.OnProgress = func(p Progress) {
				for _, s := range p.Streams {
					if s.State == StateComing && s.Lag > 2*time.Second || s.State == StateSilent && s.Lag <= 2*time.Second {
						t.Errorf("%s with a lag of %v", s.State, s.Lag)
					}
				}
			}
		})
		come(5)
		time.Sleep(12 * time.Second) // silent
		come(3)
		l.publish(m.json(protocol.TypeEnd, &protocol.End{Cause: "unplugged"}))
		time.Sleep(time.Minute)
		m.epoch, m.seq, m.index, m.time = 2, 0, 0, now()
		l.publish(m.describe(l.base, "bench", twoChannels()...))
		come(3)
		for range 2 {
			away.Store(true)
			l.mu.Lock()
			for _, c := range l.conns {
				c.Close()
			}
			l.conns = nil
			l.mu.Unlock()
			come(30)
			away.Store(false)
			come(15)
		}
		stop()
		want := []string{
			"warn pi-lab3/bench: no reading for 2.2 s",
			"info pi-lab3/bench: readings again, after 12 s",
			"warn pi-lab3/bench: no reading for 2.2 s (unplugged)",
			"info pi-lab3/bench: readings again, after 1 min",
			"warn pi-lab3:7310 closed the connection; trying again until it works",
			"info connected again after N s; recording goes on",
			"warn pi-lab3:7310 closed the connection; trying again until it works",
			"info connected again after N s; recording goes on",
		}
		if diff := cmp.Diff(want, l.told()); diff != "" {
			t.Errorf("%s\n%s", diff, l.log.String())
		}
	})
}
