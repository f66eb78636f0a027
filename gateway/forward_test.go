package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"photongate/device"
	"photongate/protocol"
	"photongate/protocol/pairing"
)

// phone is what a gateway under test dials with: each attempt is handed to the
// test, which answers it with a connection or an error.
type phone struct{ rings chan ring }

type ring struct {
	hostPort string
	at       time.Time
	answer   chan any // net.Conn or error
}

func newPhone() *phone { return &phone{rings: make(chan ring)} }

func (p *phone) dial(ctx context.Context, hostPort string) (net.Conn, error) {
	r := ring{hostPort, time.Now(), make(chan any, 1)}
	select {
	case p.rings <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-r.answer:
		if err, ok := a.(error); ok {
			return nil, err
		}
		return a.(net.Conn), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pickUp answers the next attempt, as this computer or as another one.
func (p *phone) pickUp(t *testing.T, far bool) net.Conn {
	t.Helper()
	r := <-p.rings
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	if far {
		there = elsewhere{there}
	}
	r.answer <- there
	return here
}

// forwarding has a server dial until the function that it returns is called.
func forwarding(t *testing.T, v *server, p *phone) (f *forward, stop func()) {
	t.Helper()
	f = v.newForwards([]string{"ws-ana:7310"}, p.dial)[0]
	ctx, cancel := context.WithCancel(t.Context())
	v.wg.Go(func() { f.run(ctx, t.Context()) })
	return f, func() {
		cancel()
		v.drain(t.Context(), cancel)
	}
}

// listening is a receiver that a gateway dialled, written from SPEC.md, section
// 9.1: it hears hello, and answers with its own and its proof. It returns what it
// is granted, or the refusal.
func listening(conn net.Conn, token, binding []byte) (answer protocol.Proof, c *client, err error) {
	c = &client{conn: conn, frames: protocol.NewFrameReader(conn, protocol.MaxFrame)}
	h, frame, err := c.frames.Next()
	if err != nil {
		return answer, c, err
	}
	theirs := bytes.Clone(frame[h.HeaderLen:])
	if err := protocol.DecodeJSON(theirs, &c.hello); err != nil || h.Type != protocol.TypeHello {
		return answer, c, fmt.Errorf("first came %v %s: %w", h.Type, theirs, err)
	}
	mine, err := protocol.EncodeJSON(&protocol.Hello{Format: [2]int{1, 1}, Role: protocol.RoleReceiver, Name: "desk", ID: protocol.ID{1}, Software: "test", Nonce: protocol.NewID()})
	if err != nil {
		return answer, c, err
	}
	out, err := protocol.AppendFrame(nil, protocol.Header{Type: protocol.TypeHello}, mine)
	if err != nil {
		return answer, c, err
	}
	mac := ""
	if token != nil {
		mac = protocol.ProofMAC(token, false, theirs, mine, binding)
	}
	if out, err = protocol.AppendJSON(out, protocol.Header{Type: protocol.TypeProof}, &protocol.Proof{MAC: mac}); err != nil {
		return answer, c, err
	}
	if _, err := conn.Write(out); err != nil {
		return answer, c, err
	}
	h, frame, err = c.frames.Next()
	if err != nil {
		return answer, c, err
	}
	payload := bytes.Clone(frame[h.HeaderLen:])
	if h.Type == protocol.TypeRefuse {
		var r protocol.Refusal
		if err := protocol.DecodeJSON(payload, &r); err != nil {
			return answer, c, err
		}
		return answer, c, r
	}
	if err := protocol.DecodeJSON(payload, &answer); err != nil || h.Type != protocol.TypeProof {
		return answer, c, fmt.Errorf("%v %s: %w", h.Type, payload, err)
	}
	if mac != "" && answer.MAC != protocol.ProofMAC(token, true, theirs, mine, binding) {
		return answer, c, errors.New("the gateway's mac is wrong")
	}
	return answer, c, nil
}

// TestForwardWhoMayWhat: what a receiver is granted that the gateway dialled, and
// what the status says where it is not.
func TestForwardWhoMayWhat(t *testing.T) {
	all := []string{"read", "archive", "change"}
	for name, c := range map[string]struct {
		far, tls bool
		token    string // "", "right", "wrong"
		unbound  bool
		rights   []string
		refused  string // to the receiver
		status   string
	}{
		"here, no token":               {rights: all[:2]},
		"here, token":                  {token: "right", rights: all},
		"here, wrong token":            {token: "wrong", refused: "not this gateway's", status: "does not know the token"},
		"elsewhere, token":             {far: true, tls: true, token: "right", rights: all},
		"elsewhere, no token":          {far: true, tls: true, refused: "no token was shown", status: "`photongate pair` here prints the line"},
		"elsewhere, wrong token":       {far: true, tls: true, token: "wrong", refused: "not this gateway's", status: "photonrecv pair --unreached"},
		"elsewhere, proof for another": {far: true, tls: true, token: "right", unbound: true, refused: "not this gateway's", status: "does not know the token"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, p := trusted(t)
				phone := newPhone()
				f, stop := forwarding(t, v, phone)
				conn := phone.pickUp(t, c.far)
				var token, binding []byte
				if c.token == "right" {
					var err error
					if token, err = p.TokenBytes(); err != nil {
						t.Fatal(err)
					}
				} else if c.token == "wrong" {
					token = make([]byte, 32)
				}
				if c.tls {
					conn = tls.Client(conn, p.ClientTLS())
					binding = v.identity.Binding()
				}
				if c.unbound {
					binding = make([]byte, 32)
				}
				answer, _, err := listening(conn, token, binding)
				if c.refused == "" {
					if d := cmp.Diff([]string(answer.Rights), c.rights); d != "" || err != nil {
						t.Errorf("rights %s, %v", d, err)
					}
					synctest.Wait()
					if s := f.snapshot(); s.State != forwardConnected || s.Trouble != "" {
						t.Errorf("status %+v", s)
					}
					if list, _ := v.status(); len(list) != 1 || !list[0].Forward || list[0].TLS != c.tls {
						t.Errorf("sessions %+v", list)
					}
				} else {
					var r protocol.Refusal
					if !errors.As(err, &r) || r.Code != protocol.RefuseToken || !strings.Contains(r.Text, c.refused) {
						t.Errorf("got %v, want a refusal with %q", err, c.refused)
					}
					conn.Close()
					synctest.Wait()
					if s := f.snapshot(); s.State != forwardRefused || !strings.Contains(s.Trouble, c.status) {
						t.Errorf("status %+v, want %q", s, c.status)
					}
				}
				conn.Close()
				stop()
			})
		})
	}
}

// TestForwardSaysNothingFirst: before the receiver's proof nothing leaves the
// gateway but its hello, and to another computer not even that without TLS.
func TestForwardSaysNothingFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, p := trusted(t)
		phone := newPhone()
		f, stop := forwarding(t, v, phone)
		conn := phone.pickUp(t, true)
		begin := time.Now()
		said, err := io.ReadAll(conn)
		if err != nil || time.Since(begin) != forwardTLS || bytes.Contains(said, []byte("nonce")) || !bytes.Contains(said, []byte("waits for encryption to be begun there")) {
			t.Errorf("said %q, %v after %v", said, err, time.Since(begin))
		}
		synctest.Wait()
		if s := f.snapshot(); s.State != forwardRefused || !strings.Contains(s.Trouble, "nothing there begins encryption") {
			t.Errorf("status %+v", s)
		}
		conn.Close()

		secure := tls.Client(phone.pickUp(t, true), p.ClientTLS())
		frames := protocol.NewFrameReader(secure, protocol.MaxFrame)
		if h, _, err := frames.Next(); err != nil || h.Type != protocol.TypeHello {
			t.Fatalf("got %v, %v", h.Type, err)
		}
		begin = time.Now()
		h, frame, err := frames.Next()
		if err != nil || h.Type != protocol.TypeRefuse || !bytes.Contains(frame, []byte("within 5s")) || time.Since(begin) > openingLimit {
			t.Errorf("then came %v %q, %v after %v", h.Type, frame, err, time.Since(begin))
		}
		if h, _, err := frames.Next(); err == nil {
			t.Errorf("and then %v", h.Type)
		}
		secure.Close()
		stop()
	})
}

// TestForwardSentences: what answers there, and what the status makes of it.
func TestForwardSentences(t *testing.T) {
	refuse := func(code, text string) []byte {
		b, err := sessionJSON(nil, protocol.TypeRefuse, &protocol.Refusal{Code: code, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		fails    error
		far      bool
		says     []byte // then it closes
		silent   bool
		stranger bool // a receiver that knows another key
		state    string
		want     string
	}{
		"nothing listens": {fails: os.NewSyscallError("connect", syscall.ECONNREFUSED), state: forwardTrying, want: "nothing listens at ws-ana:7310: is `photonrecv record --listen` running there"},
		"no such name":    {fails: &net.DNSError{Err: "no such host", Name: "ws-ana", IsNotFound: true}, state: forwardTrying, want: "no computer is called ws-ana"},
		"no name server":  {fails: &net.DNSError{Err: "timeout", Name: "ws-ana", IsTimeout: true}, state: forwardTrying, want: "no name server answers"},
		"no way":          {fails: os.NewSyscallError("connect", syscall.EHOSTUNREACH), state: forwardTrying, want: "there is no way to ws-ana"},
		"no answer":       {fails: context.DeadlineExceeded, state: forwardTrying, want: "ws-ana does not answer on port 7310"},
		"refuses":         {says: refuse(protocol.RefuseBusy, "it is full here"), state: forwardRefused, want: "ws-ana:7310 refuses: it is full here"},
		"paints":          {says: refuse(protocol.RefuseBusy, "\x1b[2J\nall is well"), state: forwardRefused, want: "ws-ana:7310 refuses: ?[2J?all is well"},
		"closes":          {state: forwardTrying, want: "closed the connection before there was a session"},
		"another program": {says: []byte("220 mail.example ESMTP ready, and so on and on\r\n\r\n\r\n\r\n\r\n"), state: forwardRefused, want: "is no `photonrecv record --listen`: check the port"},
		"silence":         {silent: true, state: forwardRefused, want: "accepts connections but says nothing"},
		"expects TLS":     {says: append([]byte("\x16\x03\x01\x00\xff"), make([]byte, 255)...), state: forwardRefused, want: "begins encryption, as towards another computer"},
		"expects none":    {far: true, says: refuse(protocol.RefuseProtocol, "x"), state: forwardRefused, want: "is no `photonrecv record --listen`, which begins encryption there"},
		"not paired":      {far: true, stranger: true, state: forwardRefused, want: "is not paired with this gateway, or with another key of it"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, _ := trusted(t)
				phone := newPhone()
				f, stop := forwarding(t, v, phone)
				if c.fails != nil {
					(<-phone.rings).answer <- c.fails
				} else {
					conn := phone.pickUp(t, c.far)
					if !c.stranger {
						go func() { _, _ = io.Copy(io.Discard, conn) }() // what the gateway says is not the matter
					}
					switch {
					case c.stranger:
						_ = tls.Client(conn, pairing.DialledTLS(func(string) bool { return false })).Handshake()
					case c.silent:
						time.Sleep(openingLimit + time.Second)
					case c.says != nil:
						_, _ = conn.Write(c.says)
					}
					conn.Close()
				}
				synctest.Wait()
				if s := f.snapshot(); s.State != c.state || !strings.Contains(s.Trouble, c.want) {
					t.Errorf("status %+v, want %s and %q", s, c.state, c.want)
				}
				stop()
			})
		})
	}
}

// TestForwardPauses: attempts come at growing pauses, longer ones where nobody is
// there at all, and soon again after a session that lasted or ended in good order.
func TestForwardPauses(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) { testForwardPauses(t, syscall.EHOSTUNREACH, backoffMax, "there is no way to", 3) })
	t.Run("nothing listens", func(t *testing.T) {
		testForwardPauses(t, syscall.ECONNREFUSED, 3*time.Second, "nothing listens at", 0)
	})
}

func testForwardPauses(t *testing.T, why syscall.Errno, longest time.Duration, text string, lasts int) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := trusted(t)
		var log strings.Builder
		v.log = zerolog.New(zerolog.SyncWriter(&log))
		phone := newPhone()
		_, stop := forwarding(t, v, phone)
		last := time.Now()
		var pauses []time.Duration
		for range 18 {
			r := <-phone.rings
			pauses = append(pauses, r.at.Sub(last))
			last = r.at
			r.answer <- os.NewSyscallError("connect", why)
		}
		for i, d := range pauses[1:] {
			most := min(backoffFirst<<i, longest)
			if d > most || d < most*3/4 {
				t.Errorf("pause %d is %v, want up to a quarter less than %v", i, d, most)
			}
		}
		if slices.Max(pauses) > longest {
			t.Errorf("pauses %v", pauses)
		}
		// At once, and then once a minute: they took 94 to 126 s, or 35 to 47 s.
		if told, most := strings.Count(log.String(), text), 1+int(2*longest/backoffMax); told < min(2, most) || told > most {
			t.Errorf("told %d times", told)
		}
		conn := phone.pickUp(t, false)
		_, c, err := listening(conn, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.t = t
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		for range lasts {
			c.say(protocol.TypeHeartbeat, &protocol.Heartbeat{TNs: 1})
			time.Sleep(time.Second)
		}
		c.say(protocol.TypeBye, &protocol.Bye{})
		ended := time.Now()
		if r := <-phone.rings; r.at.Sub(ended) > backoffFirst+2*refuseLimit {
			t.Errorf("dialled again after %v", r.at.Sub(ended))
		}
		conn.Close()
		stop()
	})
}

// TestTwoWaysToOneReceiver: two addresses of one receiver do not displace each
// other; the second is used when the first fails.
func TestTwoWaysToOneReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _ := trusted(t)
		phone := newPhone()
		ways := v.newForwards([]string{"ws-ana:7310", "192.0.2.7:7310"}, phone.dial)
		ctx, cancel := context.WithCancel(t.Context())
		var first net.Conn
		var refused []string
		answering := make(chan struct{})
		go func() {
			defer close(answering)
			for {
				var r ring
				select {
				case r = <-phone.rings:
				case <-ctx.Done():
					return
				}
				here, there := net.Pipe()
				r.answer <- there
				_, c, err := listening(here, nil, nil)
				if err != nil {
					refused = append(refused, err.Error())
					here.Close()
					continue
				}
				first = here
				c.t = t
				go func() { _, _ = io.Copy(io.Discard, here) }()
				go func() {
					beat, _ := protocol.AppendJSON(nil, protocol.Header{Type: protocol.TypeHeartbeat}, &protocol.Heartbeat{TNs: 1})
					for {
						if _, err := here.Write(beat); err != nil || !sleep(ctx, time.Second) {
							return
						}
					}
				}()
			}
		}()
		for _, f := range ways {
			v.wg.Go(func() { f.run(ctx, t.Context()) })
		}
		states := func() []string { return []string{ways[0].snapshot().State, ways[1].snapshot().State} }
		<-time.After(5 * time.Minute)
		synctest.Wait()
		before := states()
		slices.Sort(before)
		if d := cmp.Diff(before, []string{forwardConnected, forwardTrying}); d != "" {
			t.Errorf("states %s", d)
		}
		for _, f := range ways {
			if s := f.snapshot(); s.State == forwardConnected && time.Since(s.Since) < 4*time.Minute {
				t.Errorf("%s is connected for %v only", s.Address, time.Since(s.Since))
			} else if s.State == forwardTrying && !strings.Contains(s.Trouble, "another address of the same receiver") {
				t.Errorf("%s: %s", s.Address, s.Trouble)
			}
		}
		if len(refused) == 0 || !strings.Contains(refused[0], "another address of the same receiver") {
			t.Errorf("told: %q", refused)
		}
		first.Close()
		<-time.After(2 * backoffMax)
		synctest.Wait()
		if after := states(); !slices.Contains(after, forwardConnected) {
			t.Errorf("after the first has failed: %q", after)
		}
		first.Close()
		cancel()
		<-answering
		v.drain(t.Context(), cancel)
	})
}

// TestSlowNamesDelayNothing: a gateway whose forwards cannot be looked up starts,
// reads and stops as without them.
func TestSlowNamesDelayNothing(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F30")
	t.Attr("injected", "a dial that never returns before it is given up")
	t.Attr("promised", "start-up and shutdown are not delayed, readings come")
	f := newBench()
	config := testConfig(t, "bench")
	config.Forward = []string{"ws-that-is-nowhere.lan", "ws-ana:7311"}
	asked := make(chan string, 100)
	r := launchWith(t, config, Deps{Drivers: []device.Driver{f.driver("fake")}, OpenPort: f.openPort, Dial: func(ctx context.Context, hostPort string) (net.Conn, error) {
		asked <- hostPort
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	c := connect(t, r.Addr(), "desk", protocol.NewID())
	c.subscribe(archiveFrom(protocol.FromOldest, "bench"))
	source := <-f.sources
	source.feed <- readings(f.now(), 100*time.Millisecond, 3)
	list := c.untilIndex(benchID, 2)
	names := []string{<-asked, <-asked}
	slices.Sort(names)
	if d := cmp.Diff(names, []string{"ws-ana:7311", "ws-that-is-nowhere.lan:7310"}); d != "" {
		t.Error(d)
	}
	states := r.Status().Forwards
	if len(states) != 2 || states[0].State != forwardTrying {
		t.Errorf("status %+v", states)
	}
	c.conn.Close()
	r.stop()
	r.end()
	t.Attr("seen", fmt.Sprintf("%d frames came while %d names were being looked up", len(list), len(states)))
}

func TestForwardConfig(t *testing.T) {
	for text, want := range map[string]string{
		`forward = "ws-ana"`: "",
		`forward = ["ws-ana:7310", "[fd00::7]:99", "::7"]`:   "",
		`forward = "[fe80::1%eth0]:7310"`:                    "",
		`forward = "127.0.0.1:7311"`:                         "",
		`forward = "127.0.0.1:7310"`:                         "where this gateway itself listens",
		`forward = "localhost"`:                              "where this gateway itself listens",
		"listen = \"0.0.0.0\"\nforward = \"localhost:7310\"": "where this gateway itself listens",
		`forward = "0.0.0.0:7310"`:                           "is any address, and none to dial",
		`forward = "ws-ana:http"`:                            `"http" is no port`,
		`forward = "ws-ana:0"`:                               `"0" is no port`,
		`forward = "tcp://ws-ana:7310"`:                      "is no address to dial",
		`forward = ":7310"`:                                  "is no address to dial",
		`forward = ["ws-ana", "WS-ANA:7310"]`:                "is named twice",
		`forward = 7310`:                                     "a text in quotes",
		`dial = "ws-ana"`:                                    `the key is "forward"`,
		`forward = [` + strings.Repeat(`"a",`, 17) + `]`:     "17 addresses are too many",
	} {
		c, err := ParseConfig("lab.toml", []byte("[gateway]\n"+text+"\n\n[[device]]\nname = \"bench\"\ndriver = \"cd48\"\nport = \"/dev/ttyACM0\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		err = c.Validate(fakeDrivers())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
