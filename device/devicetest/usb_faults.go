package devicetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"photongate/device"
)

// The faults a transfer of a USB device can have, besides Gone before it. The bus
// has its own checksum, so no single byte changes on it.
const (
	Lost  FaultKind = "lost"  // the answer never comes, or the request never arrives
	Late  FaultKind = "late"  // it times out, and the answer comes to whoever reads next
	Short FaultKind = "short" // its last byte is missing
	Stall FaultKind = "stall" // it is refused; an endpoint is halted by it
)

// brokenUSB is a USB device with faults in its transfers.
type brokenUSB struct {
	device.USBDevice
	faults []Fault
	calls  int // transfers that were well
	gone   bool
	halted map[uint8]bool
	late   map[uint8][][]byte
}

// BreakUSB returns u with faults in its transfers: At counts those that end well,
// of whatever kind, from 0.
func BreakUSB(u device.USBDevice, faults ...Fault) device.USBDevice {
	return &brokenUSB{USBDevice: u, faults: faults, halted: map[uint8]bool{}, late: map[uint8][][]byte{}}
}

// next counts a transfer and returns its fault, empty for none.
func (b *brokenUSB) next() FaultKind {
	b.calls++
	for _, f := range b.faults {
		if f.At == b.calls-1 {
			b.gone = b.gone || f.Kind == Gone
			return f.Kind
		}
	}
	return ""
}

// pass lets the time of a timeout pass.
func pass(timeout time.Duration) { <-time.After(timeout) }

// Control implements device.USBDevice.
func (b *brokenUSB) Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	if b.gone {
		return 0, device.ErrGone
	}
	n, err := b.USBDevice.Control(requestType, request, value, index, data, timeout)
	if err != nil {
		return n, err
	}
	switch b.next() {
	case Gone:
		return 0, device.ErrGone
	case Stall:
		return 0, device.ErrStall
	case Lost, Late:
		pass(timeout)
		return 0, device.ErrTimeout
	case Short:
		if requestType&0x80 != 0 && n > 0 {
			return n - 1, nil
		}
	}
	return n, nil
}

// In implements device.USBDevice.
func (b *brokenUSB) In(endpoint uint8, p []byte, timeout time.Duration) (int, int64, error) {
	switch {
	case b.gone:
		return 0, Clock(), device.ErrGone
	case b.halted[endpoint]:
		return 0, Clock(), device.ErrStall
	case len(b.late[endpoint]) > 0:
		n := copy(p, b.late[endpoint][0])
		b.late[endpoint] = b.late[endpoint][1:]
		return n, Clock(), nil
	}
	n, at, err := b.USBDevice.In(endpoint, p, timeout)
	if err != nil {
		return n, at, err
	}
	switch b.next() {
	case Gone:
		return 0, at, device.ErrGone
	case Stall:
		b.halted[endpoint] = true
		return 0, at, device.ErrStall
	case Lost:
		pass(timeout)
		return 0, Clock(), device.ErrTimeout
	case Late:
		b.late[endpoint] = append(b.late[endpoint], slices.Clone(p[:n]))
		pass(timeout)
		return 0, Clock(), device.ErrTimeout
	case Short:
		n = max(n-1, 0)
	}
	return n, at, nil
}

// Out implements device.USBDevice.
func (b *brokenUSB) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	switch {
	case b.gone:
		return Clock(), device.ErrGone
	case b.halted[endpoint]:
		return Clock(), device.ErrStall
	}
	switch b.next() {
	case Gone:
		return Clock(), device.ErrGone
	case Stall:
		b.halted[endpoint] = true
		return Clock(), device.ErrStall
	case Lost:
		return Clock(), nil
	case Late:
		pass(timeout)
		return Clock(), device.ErrTimeout
	case Short:
		if len(p) > 0 {
			p = p[:len(p)-1]
		}
	}
	return b.USBDevice.Out(endpoint, p, timeout)
}

// ClearHalt implements device.USBDevice.
func (b *brokenUSB) ClearHalt(endpoint uint8) error {
	delete(b.halted, endpoint)
	return b.USBDevice.ClearHalt(endpoint)
}

// Stream implements device.USBDevice.
func (b *brokenUSB) Stream(endpoint uint8, size, count int) (device.USBStream, error) {
	if b.gone {
		return nil, device.ErrGone
	}
	s, err := b.USBDevice.Stream(endpoint, size, count)
	if err != nil {
		return nil, err
	}
	return &brokenStream{USBStream: s, b: b}, nil
}

// brokenStream is a stream of a device with faults. Its transfers are lost only
// with the stream: the host's controller fetches them by itself.
type brokenStream struct {
	device.USBStream
	b   *brokenUSB
	err error
}

// Read implements device.USBStream.
func (s *brokenStream) Read(p []byte, timeout time.Duration) (int, int64, error) {
	if s.err != nil {
		return 0, Clock(), s.err
	}
	n, at, err := s.USBStream.Read(p, timeout)
	if err != nil {
		return n, at, err
	}
	switch s.b.next() {
	case Gone:
		s.err = device.ErrGone
	case Stall:
		s.err = device.ErrStall
	case Lost, Late, Short:
		s.err = device.ErrBus
	default:
		return n, at, nil
	}
	return 0, at, s.err
}

// testFaultAtEveryTransfer does everything that can happen to a transfer, to every
// transfer of a run in turn.
func (s Subject) testFaultAtEveryTransfer(t *testing.T) {
	t.Attr("fault", "F35")
	clean := s.session(s.faultReadings()).mustRead(t)
	tally, all := map[string]int{}, map[string]int{}
	kinds := []FaultKind{Lost, Late, Short, Stall, Gone}
	for at := range clean.calls {
		for _, kind := range kinds {
			se := s.session(s.faultReadings() + 10)
			se.wrapUSB = func(u device.USBDevice) device.USBDevice { return BreakUSB(u, Fault{At: at, Kind: kind}) }
			r := se.run(t)
			what, err := s.judge(r, 1)
			if err == nil && !s.Exact {
				err = r.shifted()
			}
			if err != nil {
				t.Errorf("transfer %d %s: %v", at, kind, err)
			}
			tally[string(kind)+": "+what]++
			all[what]++
		}
	}
	if most := s.Unseen + s.Unseen/20; all[unseen] > most {
		t.Errorf("%d faults gave a wrong value unseen, want at most %d: the transfers tell more than the driver looks at", all[unseen], most)
	}
	t.Attr("injected", fmt.Sprintf("each of %d transfers of the %s lost, late, short, refused, or the device gone before it", clean.calls, s.Driver.Name))
	t.Attr("promised", "asked again or opened again, no reading wrong or out of order but where the bytes cannot tell, one gap each at most two")
	t.Attr("seen", fmt.Sprintf("%d faults: %d a flag, gap or event, %d refused or device gone, %d without effect, %d wrong unseen",
		clean.calls*len(kinds), all[noticed], all[refused], all[harmless], all[unseen]))
	t.Logf("tally: faults at each of %d transfers", clean.calls)
	for _, kind := range kinds {
		for _, what := range []string{refused, noticed, harmless, unseen} {
			if n := tally[string(kind)+": "+what]; n > 0 {
				t.Logf("tally: %-6s %-45s %5d", kind, what, n)
			}
		}
	}
}

// shifted fails when a reading is given an interval that does not end when the
// instrument counted it: it took the answer to an earlier question for its own.
func (r *record) shifted() error {
	for row, values := range r.rows {
		t := slices.IndexFunc(r.truth, func(v []uint64) bool { return slices.Equal(v, values) })
		end := r.begin[row] + r.length[row]
		if off := time.Duration(end - r.counted[max(t, 0)]); t >= 0 && r.clean(row) && off.Abs() > time.Duration(r.length[row])/2 {
			return fmt.Errorf("row %d %v ends %v after the instrument counted it", row, values, off)
		}
	}
	return nil
}

// testNonsenseUSB has other devices behind the same ids.
func (s Subject) testNonsenseUSB(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	kinds := []error{device.ErrNonsense, device.ErrStall, device.ErrSetting}
	for name, answer := range map[string]func(n int) []byte{
		"zeros":   func(n int) []byte { return make([]byte, n) },
		"random":  random,
		"empty":   func(int) []byte { return nil },
		"refused": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s.PlayUSB = func(end *USBEnd, _ *Truth) {
				for _, e := range s.USB.Endpoints {
					if answer == nil {
						end.Halt(e.Address)
					}
				}
				end.Serve(func(r *USBRequest) { s.talkNonsense(end, r, answer) })
			}
			s.mustRefuse(t, s.session(1), kinds...)
		})
	}
}

// talkNonsense answers one request: with nothing that belongs to it.
func (s Subject) talkNonsense(end *USBEnd, r *USBRequest, answer func(n int) []byte) {
	switch {
	case answer == nil:
	case r.Endpoint != 0:
		for _, e := range s.USB.Endpoints {
			if e.In() {
				end.Send(e.Address, answer(min(12, e.MaxPacket))...)
			}
		}
	case r.Type&0x80 != 0:
		r.Reply(answer(r.Length)...)
	default:
		r.Reply()
	}
}
