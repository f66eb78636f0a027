package receiver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// TestAnswers: hole, ahead, diverged and unknown journal.
func TestAnswers(t *testing.T) {
	t.Attr("fault", "F27")
	t.Attr("injected", "a gateway that lacks frames, has less than the archive, has other bytes under the same numbers, has another journal")
	t.Attr("promised", "a hole; the archive keeps what it has and goes on with the next part; a new folder, said loudly; a folder of its own")
	var seen []string
	saw := func(t *testing.T, l *lab, what string) {
		t.Helper()
		seen = append(seen, fmt.Sprintf("%s: %s, %d sessions", what, l.heldText(t), l.sessions))
	}
	next := func(l *lab, t *testing.T) [][]byte {
		return (&frameMaker{t: t, stream: 2, epoch: 2, time: baseNs + 5_000_000_000}).describe(l.base, "bench", twoChannels()...).counts([]uint64{5, 5}).out
	}
	t.Run("hole", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 5)
			all := l.streams[1].frames
			l.streams[1].frames = all[:3] // 1 to 3
			l.mustRecord(t)
			hole, err := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHole, Stream: 2, Epoch: 1, Seq: 4}, &protocol.Hole{To: 5, Cause: protocol.CauseQuota, By: "pi-lab3"})
			if err != nil {
				t.Fatal(err)
			}
			l.streams[1].frames = [][]byte{all[0], all[1], all[2], hole, all[5]}
			summary := l.mustRecord(t)
			equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.1 1.2 1.3 1.hole4-5(quota) 1.6")
			equal(t, "complete", summary.Complete, false)
			// The same hole again, and then nothing new: nothing changes.
			l.mustRecord(t)
			saw(t, l, "hole")
			equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.1 1.2 1.3 1.hole4-5(quota) 1.6")
		})
	})
	t.Run("ahead", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 5)
			l.mustRecord(t)
			l.streams[1].frames = append(slices.Clone(l.streams[1].frames[:3]), next(l, t)...) // it lost 4 to 6 of epoch 1
			summary := l.mustRecord(t)
			equal(t, "answers", l.answers, []string{protocol.AnswerStart, protocol.AnswerAhead})
			equal(t, "held", sequences(t, held(t, l.fs, labFolder, "bench")), "1.1 1.2 1.3 1.4 1.5 1.6 2.1 2.2")
			equal(t, "readings of this run", summary.Streams[0].Readings, uint64(1))
			if !strings.Contains(l.log.String(), "the archive keeps it") {
				t.Errorf("said %s", l.log.String())
			}
			saw(t, l, "ahead")
		})
	})
	for _, answer := range []string{protocol.AnswerDiverged, protocol.AnswerUnknownJournal} {
		t.Run(answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 2)
				if answer == protocol.AnswerUnknownJournal { // the archive has part 2, of which the gateway will not know
					l.streams[1].frames = next(l, t)
				}
				l.mustRecord(t)
				before := held(t, l.fs, labFolder, "bench")
				other := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs + 1}).describe(l.base, "bench", twoChannels()...).counts([]uint64{9, 9}).counts([]uint64{9, 9}).out
				l.streams[1].frames = other
				summary := l.mustRecord(t)
				equal(t, "the earlier folder", held(t, l.fs, labFolder, "bench"), before)
				equal(t, "the new folder", held(t, l.fs, labFolder+".2", "bench"), other)
				equal(t, "complete", summary.Complete, false)
				if !strings.Contains(l.log.String(), "IS NOT THE ONE THIS ARCHIVE HOLDS") {
					t.Errorf("not said loudly: %s", l.log.String())
				}
				// From now on the new one is used.
				l.mustRecord(t)
				equal(t, "answers", l.answers, []string{protocol.AnswerStart, answer, protocol.AnswerStart, protocol.AnswerResumed})
				saw(t, l, answer)
			})
		})
	}
	t.Run("diverged without being told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 3)
			l.mustRecord(t)
			other := (&frameMaker{t: t, stream: 2, epoch: 1, time: baseNs + 1}).describe(l.base, "bench", twoChannels()...).counts([]uint64{9, 9}).counts([]uint64{9, 8}).out
			l.streams[1].frames = other
			l.answer = func(int, *stubStream) string { return protocol.AnswerStart }
			l.mustRecord(t, func(o *RecordOptions) { o.For = time.Second })
			equal(t, "the new folder", sequences(t, held(t, l.fs, labFolder+".2", "bench")), "1.1 1.2 1.3")
		})
	})
	t.Run("another journal of the same gateway", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 2)
			l.mustRecord(t)
			l.journal = mustID(t, "ffeeddccbbaa99887766554433221100")
			l.mustRecord(t)
			equal(t, "the first", len(held(t, l.fs, labFolder, "bench")), 3)
			equal(t, "the second", len(held(t, l.fs, "pi-lab3-ffeeddcc", "bench")), 3)
			if !strings.Contains(l.log.String(), "another journal than before") {
				t.Errorf("said %s", l.log.String())
			}
		})
	})
	t.Attr("seen", strings.Join(seen, "; "))
}

// TestOneRecorderPerArchive: the second is refused, with the holder.
func TestOneRecorderPerArchive(t *testing.T) {
	t.Attr("fault", "F26")
	t.Attr("fault", "F37")
	t.Attr("injected", "a second recording into the folder of one that runs")
	t.Attr("promised", "refused, with the holder's process id and what to do; the first goes on")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		l.stay = true
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := l.record(ctx)
			done <- err
		}()
		synctest.Wait()
		_, err := l.record(t.Context())
		if !errors.Is(err, journal.ErrLocked) || !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "process id") {
			t.Errorf("got %v", err)
		}
		t.Attr("seen", err.Error())
		equal(t, "sessions", l.sessions, 1)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRefusalsEndARecording, those that nothing mends, also in mid-session.
func TestRefusalsEndARecording(t *testing.T) {
	t.Attr("fault", "F26")
	t.Attr("injected", "a newer session of the same archive, elsewhere")
	t.Attr("promised", "the older recording ends, and says why; what it has is synced")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		l.stay = true
		l.refuseLater = &protocol.Refusal{Code: protocol.RefuseDisplaced, Text: "a newer session of this archive"}
		_, err := l.record(t.Context())
		if refused, ok := errors.AsType[*Refused](err); !ok || refused.Code != protocol.RefuseDisplaced {
			t.Errorf("got %v", err)
		}
		equal(t, "sessions", l.sessions, 1)
		equal(t, "held", held(t, l.fs, labFolder, "bench"), l.streams[1].frames)
		t.Attr("seen", fmt.Sprint(err))
	})
}

// TestTakeOver: a name that is another archive's is refused, with the way out; it is
// taken over once, not again in every session.
func TestTakeOver(t *testing.T) {
	t.Attr("fault", "F26")
	t.Attr("injected", "an archive under the name of another one, without and with --take-over, and a session lost after that")
	t.Attr("promised", "refused, naming --take-over; then taken over, once")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		l.refuseLater = &protocol.Refusal{Code: protocol.RefuseName, Text: `the name "ws-ana" is that of another archive`}
		_, refused := l.record(t.Context())
		if refused == nil || !strings.Contains(refused.Error(), "take the name over from it with --take-over") {
			t.Errorf("got %v", refused)
		}
		l.refuseLater, l.asks = nil, nil
		l.withBench(60)
		first := l.sessions + 1
		l.cutAfter = func(session int) int { // in the middle of the first frames
			return map[bool]int{true: 2500, false: -1}[session == first]
		}
		l.mustRecord(t, func(o *RecordOptions) { o.TakeOver = true })
		var asked []bool
		for _, ask := range l.asks {
			asked = append(asked, ask.TakeOver)
		}
		equal(t, "taken over in each session", asked, []bool{true, false})
		t.Attr("seen", fmt.Sprintf("%v; then take_over in the sessions: %v", refused, asked))
	})
}

// TestNeverReached: no gateway, and the user gives up.
func TestNeverReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		tries := 0
		summary, err := l.record(ctx, func(o *RecordOptions) {
			o.Dial = func(context.Context, string) (c netConn, err error) {
				tries++
				return nil, &unreachable{text: "no gateway listens on x", cause: errors.New("refused")}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "complete", summary.Complete, false)
		if tries < 6 || tries > 25 {
			t.Errorf("%d attempts in a minute", tries)
		}
		if n := strings.Count(l.log.String(), `"warn"`); n != 1 {
			t.Errorf("said the same %d times: %s", n, l.log.String())
		}
	})
}

// TestNeverThere: a run for a time does not wait for ever for a gateway that is
// not there.
func TestNeverThere(t *testing.T) {
	for length, least := range map[time.Duration]time.Duration{time.Second: time.Minute, 10 * time.Minute: 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, 1)
			began := time.Now()
			summary := l.mustRecord(t, func(o *RecordOptions) {
				o.For = length
				o.Dial = func(context.Context, string) (netConn, error) {
					return nil, &unreachable{text: "no gateway listens on x", cause: errors.New("refused"), silent: true}
				}
			})
			if took := time.Since(began); took < least || took > least+20*time.Second {
				t.Errorf("a run for %v gave up after %v", length, took)
			}
			equal(t, "why", summary.Why[0], "nothing was recorded from pi-lab3:7310, which was not there for all the time to record: no gateway listens on x")
		})
	}
}
