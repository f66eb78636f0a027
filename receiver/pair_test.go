package receiver

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"photongate/protocol"
	"photongate/protocol/pairing"
)

// TestPair: the line is tried before it is kept, and no gateway takes another
// one's name unasked.
func TestPair(t *testing.T) {
	g, p, _ := pairedStub(t)
	if err := pairing.Remove("pi-lab3"); err != nil {
		t.Fatal(err)
	}
	g.onRequest = func(ask protocol.Request) []protocol.Reply {
		return []protocol.Reply{{ID: ask.ID, Status: &protocol.Status{Devices: []protocol.DeviceStatus{{Name: "bench"}}}}}
	}
	reachable := true
	dial := func(ctx context.Context, hostPort string) (net.Conn, error) {
		if hostPort != "192.0.2.2:7310" || !reachable {
			return nil, &unreachable{text: hostPort + " does not answer", cause: ErrUnreachable, silent: true}
		}
		conn, err := g.dial(ctx, hostPort)
		return far{conn}, err
	}
	try := func(line string, o PairOptions) (done Paired, err error) {
		o.Dial = dial
		synctest.Test(t, func(t *testing.T) { done, err = Pair(t.Context(), line, o) })
		return done, err
	}
	refused := func(line string, o PairOptions, want ...string) {
		t.Helper()
		_, err := try(line, o)
		if err == nil {
			t.Fatal("paired")
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("got %q, want %q in it", err, w)
			}
		}
	}
	reachable = false
	refused(p.Line(), PairOptions{}, "does not answer", "nothing was kept", "behind a firewall", "--unreached")
	if _, err := pairing.Load("pi-lab3"); !errors.Is(err, pairing.ErrNotPaired) {
		t.Errorf("kept: %v", err)
	}
	reachable = true
	refused("pi-lab3@192.0.2.2", PairOptions{}, "not a pairing line")
	refused(p.Line(), PairOptions{As: "Pi 3"}, "--as", "Pi 3")

	done, err := try("photonrecv pair "+p.Line(), PairOptions{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "first address from now on", done.Addresses[0], "192.0.2.2:7310")
	equal(t, "device", done.Status.Devices[0].Name, "bench")
	kept, err := pairing.Load("pi-lab3")
	if err != nil || done.Again || kept.Journal != g.journal || kept.Token != p.Token || len(kept.Addresses) != 2 {
		t.Errorf("kept %+v, %v", kept.Addresses, err)
	}
	if done, err = try(p.Line(), PairOptions{}); err != nil || !done.Again {
		t.Errorf("once more: %v, %v", done.Again, err)
	}

	g.journal = protocol.ID{0xab, 0xcd} // a clone
	refused(p.Line(), PairOptions{}, "another gateway is paired under this name", "00112233", "abcd0000", "cloned card", "--as NAME", "--replace")
	if kept, err := pairing.Load("pi-lab3"); err != nil || kept.Journal == g.journal {
		t.Errorf("the refused one was kept: %v", err)
	}
	if done, err = try(p.Line(), PairOptions{As: "pi-lab3b"}); err != nil || done.Name != "pi-lab3b" || done.Gateway != "pi-lab3" {
		t.Errorf("under another name: %+v, %v", done.Name, err)
	}
	if _, err = try(p.Line(), PairOptions{Replace: true}); err != nil {
		t.Error(err)
	}
	if kept, err := pairing.Load("pi-lab3"); err != nil || kept.Journal != g.journal {
		t.Errorf("not replaced: %v", err)
	}
}

// TestPairUnreached: the line of a gateway that cannot be reached is kept unasked,
// its journal stays what it was or is noted when it is met; no other gateway's is
// replaced unasked.
func TestPairUnreached(t *testing.T) {
	_, p, _ := pairedStub(t)
	known := p.Journal
	never := func(context.Context, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, ErrUnreachable
	}
	o := PairOptions{Unreached: true, Dial: never}
	done, err := Pair(t.Context(), p.Line(), o)
	if err != nil || !done.Again || done.Journal != known || done.At != "" {
		t.Errorf("again: %+v, %v", done.Again, err)
	}
	if err := pairing.Remove(p.Name); err != nil {
		t.Fatal(err)
	}
	p.Addresses = nil // it needs no flag then
	done, err = Pair(t.Context(), p.Line(), PairOptions{Dial: never})
	if err != nil || done.Again || !done.Journal.IsZero() {
		t.Errorf("first: %+v, %v", done.Again, err)
	}
	kept, err := pairing.Load(p.Name)
	if err != nil || kept.Token != p.Token || kept.Gateway != "pi-lab3" || len(kept.Addresses) != 0 {
		t.Errorf("kept %+v, %v", kept.Addresses, err)
	}
	if _, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Dial: never}); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--listen ADDRESS waits for it") {
		t.Errorf("dialled all the same: %v", err)
	}
	other := p
	other.CertificateSHA256 = strings.Repeat("ab", 32)
	if _, err := Pair(t.Context(), other.Line(), o); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "--replace") || !strings.Contains(err.Error(), "no address (it dials)") {
		t.Errorf("another key: %v", err)
	}
	o.Replace = true
	if _, err := Pair(t.Context(), other.Line(), o); err != nil {
		t.Error(err)
	}
	if kept, err := pairing.Load(p.Name); err != nil || kept.CertificateSHA256 != other.CertificateSHA256 {
		t.Errorf("not replaced: %v", err)
	}
}

// TestMetByDialling: a pairing that was made without reaching the gateway notes
// its journal also when this end reaches it after all.
func TestMetByDialling(t *testing.T) {
	g, p, _ := pairedStub(t)
	p.Journal = protocol.ID{}
	save(t, p)
	dial := func(ctx context.Context, hostPort string) (net.Conn, error) {
		conn, err := g.dial(ctx, hostPort)
		return far{conn}, err
	}
	synctest.Test(t, func(t *testing.T) {
		c, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
	if kept, err := pairing.Load("pi-lab3"); err != nil || kept.Journal != g.journal {
		t.Errorf("the journal is %v, %v", kept.Journal, err)
	}
	p.Gateway = "pi-lab9"
	save(t, p)
	g.t = quiet{t}
	synctest.Test(t, func(t *testing.T) {
		if _, err := Connect(t.Context(), "pi-lab3", ConnectOptions{Dial: dial}); err == nil || !strings.Contains(err.Error(), "paired as pi-lab9, but calls itself pi-lab3") {
			t.Errorf("another name: %v", err)
		}
	})
}
