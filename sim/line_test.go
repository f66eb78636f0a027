package sim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Faults at a byte position are exact.
func TestFaultsAtAByte(t *testing.T) {
	for name, c := range map[string]struct {
		fault string
		want  string // of five lines; a dot stands for a byte that may be any
	}{
		"torn":        {"torn@byte=23", "line-0001\nline-0002\ne-0003\nline-0004\nline-0005\n"},
		"flood":       {"flood@byte=23:3", "line-0001\nline-0002\nlin\xff\xff\xffe-0003\nline-0004\nline-0005\n"},
		"garbage":     {"garbage@byte=23:4", "line-0001\nline-0002\nlin....e-0003\nline-0004\nline-0005\n"},
		"drop":        {"drop@byte=18:4", "line-0001\nline-000ne-0003\nline-0004\nline-0005\n"},
		"drop whole":  {"drop@byte=10:20", "line-0001\nline-0004\nline-0005\n"},
		"flip":        {"flip@byte=23", "line-0001\nline-0002\nlin.-0003\nline-0004\nline-0005\n"},
		"lost packet": {"lostpacket@byte=5:33", "line-4\nline-0005\n"},
		"stall":       {"stall@byte=23:150ms", "line-0001\nline-0002\nlinline-0005\n"},
		"duplicate":   {"duplicate@byte=23", "line-0001\nline-0002\nline-0003\nline-0003\nline-0004\nline-0005\n"},
		"first byte":  {"drop@byte=0", "ine-0001\nline-0002\nline-0003\nline-0004\nline-0005\n"},
		"border":      {"drop@byte=10", "line-0001\nine-0002\nline-0003\nline-0004\nline-0005\n"},
		"last byte":   {"drop@byte=9", "line-0001line-0002\nline-0003\nline-0004\nline-0005\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := tell(t, 550*time.Millisecond, c.fault)
				if got := s.text(); !matches(got, c.want) {
					t.Errorf("read %q, expected %q", got, c.want)
				}
				if len(s.fired) != 1 {
					t.Fatalf("%d faults fired, expected 1: %v", len(s.fired), s.fired)
				}
				if f := s.fired[0]; f.Byte != f.Fault.Byte {
					t.Errorf("fired at byte %d: %v", f.Byte, f)
				}
				if rows := strings.Count(s.truth, "\n") - 1; rows != 5 {
					t.Errorf("the truth has %d rows, expected 5: what is counted does not depend on the wire", rows)
				}
			})
		})
	}
}

// matches reports whether got is pattern, where a dot matches any byte.
func matches(got, pattern string) bool {
	if len(got) != len(pattern) {
		return false
	}
	for i := range pattern {
		if pattern[i] != '.' && pattern[i] != got[i] {
			return false
		}
	}
	return true
}

// Faults at a time hit the first message sent then, somewhere.
func TestFaultsAtATime(t *testing.T) {
	const before, after = "line-0001\nline-0002\n", "line-0004\nline-0005\n"
	for fault, bytesOfThird := range map[string]int{
		"torn@250ms":      -1,
		"garbage@250ms:7": 17,
		"drop@300ms:1":    9,
		"flip@210ms":      10,
		"duplicate@250ms": 20,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := tell(t, 550*time.Millisecond, fault)
			third, ok := strings.CutPrefix(s.text(), before)
			third, ok2 := strings.CutSuffix(third, after)
			// One lost byte may be the newline, so no more than lengths are compared.
			if !ok || !ok2 || third == "line-0003\n" || bytesOfThird >= 0 && len(third) != bytesOfThird || len(third) > 20 {
				t.Errorf("%s: read %q", fault, s.text())
			}
			if len(s.fired) != 1 || s.fired[0].After != 300*time.Millisecond {
				t.Errorf("%s: fired %v", fault, s.fired)
			}
		})
	}
}

func TestStallAtATimeLosesWhatIsSaidInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 550*time.Millisecond, "stall@150ms:200ms")
		if got, want := s.text(), "line-0001\nline-0004\nline-0005\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
		if len(s.fired) != 1 || s.fired[0].After != 150*time.Millisecond || s.fired[0].Byte != 10 {
			t.Errorf("fired %v", s.fired)
		}
	})
}

func TestLateMessageHoldsUpTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 550*time.Millisecond, "late@byte=20:150ms")
		want := []piece{
			{100 * time.Millisecond, "line-0001\n"},
			{200 * time.Millisecond, "line-0002\n"},
			{450 * time.Millisecond, "line-0003\nline-0004\n"},
			{500 * time.Millisecond, "line-0005\n"},
		}
		if diff := cmp.Diff(s.pieces, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}

func TestSplitMessageComesInTwoPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 250*time.Millisecond, "split@byte=13:30ms")
		want := []piece{
			{100 * time.Millisecond, "line-0001\n"},
			{200 * time.Millisecond, "lin"},
			{230 * time.Millisecond, "e-0002\n"},
		}
		if diff := cmp.Diff(s.pieces, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}

func TestTwoFaultsInOneMessageKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := tell(t, 150*time.Millisecond, "drop@byte=2:2", "drop@byte=7:1")
		if got, want := s.text(), "li-001\n"; got != want {
			t.Errorf("read %q, expected %q", got, want)
		}
	})
}

func TestPacedBytesComeAtTheSpeedOfTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		conn, _ := running(t, &teller{}, Options{BytePace: 5 * time.Millisecond})
		time.Sleep(145 * time.Millisecond) // line 1: 8 bytes at 140 ms, 2 at 150 ms
		port := open(t, conn)
		var got []piece
		for range 3 {
			text := read(t, port)
			got = append(got, piece{time.Since(start), text})
		}
		want := []piece{
			{150 * time.Millisecond, "1\n"},
			{240 * time.Millisecond, "line-000"},
			{250 * time.Millisecond, "2\n"},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}

// Messages longer than the time between them queue up behind one another.
func TestPacedMessagesDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		conn, _ := running(t, &teller{}, Options{BytePace: 15 * time.Millisecond})
		port := open(t, conn)
		var got []piece
		for range 4 {
			text := read(t, port)
			got = append(got, piece{time.Since(start), text})
		}
		want := []piece{ // 150 ms each
			{220 * time.Millisecond, "line-000"},
			{250 * time.Millisecond, "1\n"},
			{370 * time.Millisecond, "line-000"},
			{400 * time.Millisecond, "2\n"},
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("read (-got +want):\n%s", diff)
		}
	})
}
