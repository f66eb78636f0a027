package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

func TestReceiversForPeople(t *testing.T) {
	var b strings.Builder
	if err := writeReceivers(&b, fullStatus(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	want := `NAME     CONNECTED  LAST SEEN      BEHIND   OLDEST OF IT  HOLDS  DROPPED
desk     yes        now            nothing  -             yes    -
old-pc   no         2 d 2 h ago    450 MB   2 d 2 h ago   yes    42 MB
gone-pc  no         20 d 20 h ago  -        -             no     -
`
	if d := cmp.Diff(strings.Split(b.String(), "\n"), strings.Split(want, "\n")); d != "" {
		t.Errorf("receivers (-got +want):\n%s", d)
	}
	b.Reset()
	if err := writeReceivers(&b, &protocol.Status{}, time.Time{}); err != nil || !strings.HasPrefix(b.String(), "no archive is known") {
		t.Errorf("none: got %q, %v", b.String(), err)
	}
}

func TestJournalInTrouble(t *testing.T) {
	s := fullStatus()
	s.Journal.TailBytes = 5_400 * 7_200
	for _, tt := range []struct{ state, cause, trouble, want string }{
		{"degraded", "the disk is full", "journal: write /j/1.pgs: no space left on device", "\x1b[31m/home/ana/.local/state/photongate  DEGRADED\x1b[0m\n" +
			"           \x1b[31mthe disk is full: readings wait in memory, which at the present rate\x1b[0m\n           \x1b[31mlasts 2 h; until the disk has them"},
		{"", "", "read-only file system\nread-only file system", "DEGRADED\x1b[0m\n           \x1b[31mread-only file system: readings"}, // an older gateway
		{"full", "", "", "FULL: what an archive has not fetched is dropped"},
	} {
		s.Journal.State, s.Journal.Cause, s.Journal.Trouble = tt.state, tt.cause, tt.trouble
		var b strings.Builder
		if err := writeStatus(&b, s, time.Time{}, true); err != nil || !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s: no %q in %v\n%s", tt.state, tt.want, err, b.String())
		}
		if tt.cause != "" && strings.Contains(b.String(), tt.trouble) {
			t.Errorf("%s: the whole error is shown:\n%s", tt.state, b.String())
		}
	}
}

// An archive that is connected and lacks no more than what is on its way has all,
// for people; and what it said of damaged frames is shown.
func TestArchiveThatIsUpToDate(t *testing.T) {
	s := fullStatus()
	s.Archives = []protocol.ArchiveInfo{
		{Name: "desk", Connected: true, Holds: true, BehindBytes: 9_000, BehindS: protocol.Ref(2.0), BadFrames: 3},
		{Name: "ben", Connected: true, Holds: true, BehindBytes: 9_000_000, BehindS: protocol.Ref(700.0), Trouble: "the archive's disk is full"},
	}
	s.Sessions[0].Behind = 0
	var status, list strings.Builder
	if err := errors.Join(writeStatus(&status, s, time.Time{}, false), writeReceivers(&list, s, time.Time{})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"archive  all is sent\n",
		"desk  connected  has confirmed all but the last seconds\n           3 frames arrived damaged, sent again\n",
		"ben  connected\n           has not confirmed 9 MB, the oldest recorded 11 min 40 s ago\n           TROUBLE at ben: the archive's disk is full\n",
	} {
		if !strings.Contains(status.String(), want) {
			t.Errorf("no %q in\n%s", want, status.String())
		}
	}
	if got, want := list.String(), `NAME  CONNECTED  LAST SEEN  BEHIND   OLDEST OF IT    HOLDS  DROPPED
desk  yes        now        seconds  -               yes    -
ben   yes        now        9 MB     11 min 40 s ago  yes    -
TROUBLE at ben: the archive's disk is full
`; strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("receivers: got\n%s, want\n%s", got, want)
	}
}
