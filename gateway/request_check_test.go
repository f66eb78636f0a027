package gateway

import (
	"errors"
	"testing"

	"photongate/protocol"
)

// What people write is shown on terminals, and says who did what.
func TestRequestsOfPeople(t *testing.T) {
	note := func(who, text string) *protocol.Request {
		return &protocol.Request{Do: protocol.DoNote, Who: who, Text: text}
	}
	for what, good := range map[string]*protocol.Request{
		"a note": note("ana", "shutter open"), "two lines": note("", "first\n\tsecond µ"),
	} {
		if err := checkRequest(good); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, bad := range map[string]*protocol.Request{
		"an escape sequence": note("ana", "\x1b[2Jgone"), "a bell": note("ana", "\a"), "the gateway's name": note("gateway", "x"), "the driver's": note("driver", "x"),
	} {
		if r, ok := errors.AsType[notDone](checkRequest(bad)); !ok || r.code != protocol.ReplyValue {
			t.Errorf("%s: %+v, want it refused for its value", what, r)
		}
	}
}
