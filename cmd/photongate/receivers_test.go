package main

import (
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
	want := `NAME     CONNECTED  LAST SEEN      BEHIND   RECORDED SINCE  HOLDS  LOST
desk     yes        now            nothing  -               yes    -
old-pc   no         2 d 2 h ago    450 MB   2 d 2 h ago     yes    42 MB
gone-pc  no         20 d 20 h ago  -        -               no     -
`
	if d := cmp.Diff(strings.Split(b.String(), "\n"), strings.Split(want, "\n")); d != "" {
		t.Errorf("receivers (-got +want):\n%s", d)
	}
	b.Reset()
	if err := writeReceivers(&b, &protocol.Status{}, time.Time{}); err != nil || !strings.HasPrefix(b.String(), "no archive has fetched") {
		t.Errorf("none: got %q, %v", b.String(), err)
	}
}

func TestJournalInTrouble(t *testing.T) {
	s := fullStatus()
	for _, tt := range []struct{ state, trouble, want string }{
		{"degraded", "the disk is full", "\x1b[31m/home/ana/.local/state/photongate  TROUBLE: the disk is full\x1b[0m"},
		{"full", "", "FULL: what an archive has not fetched is dropped"},
	} {
		s.Journal.State, s.Journal.Trouble = tt.state, tt.trouble
		var b strings.Builder
		if err := writeStatus(&b, s, time.Time{}, true); err != nil || !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s: no %q in %v\n%s", tt.state, tt.want, err, b.String())
		}
	}
}
