package devicetest

import (
	"time"

	"photongate/device"
)

// FaultKind is what happens to a byte on its way to the host.
type FaultKind string

// The faults a broken port can have.
const (
	Drop   FaultKind = "drop"   // the byte is lost
	Flip   FaultKind = "flip"   // it is exclusive-ored with Byte
	Insert FaultKind = "insert" // Byte comes before it
	Gone   FaultKind = "gone"   // the port goes away before it
)

// Fault happens to the byte at position At of all that the host reads.
type Fault struct {
	At   int
	Kind FaultKind
	Byte byte
}

// brokenPort is a port with faults.
type brokenPort struct {
	device.Port
	faults []Fault
	pos    int
	gone   bool
	spare  []byte // inserted bytes that did not fit the last Read
	buf    []byte
}

// Break returns p with faults in what is read from it.
func Break(p device.Port, faults ...Fault) device.Port {
	return &brokenPort{Port: p, faults: faults}
}

// Read implements device.Port.
func (p *brokenPort) Read(b []byte, timeout time.Duration) (int, int64, error) {
	for {
		if len(p.spare) > 0 {
			n := copy(b, p.spare)
			p.spare = p.spare[n:]
			_, at, _ := p.Port.Read(nil, 0)
			return n, at, nil
		}
		if p.gone {
			return 0, 0, device.ErrGone
		}
		if cap(p.buf) < len(b) {
			p.buf = make([]byte, len(b))
		}
		n, at, err := p.Port.Read(p.buf[:len(b)], timeout)
		if err != nil {
			return 0, at, err
		}
		out := p.damage(p.buf[:n])
		if len(out) == 0 {
			continue // the only bytes were lost; the reader waits on
		}
		k := copy(b, out)
		p.spare = out[k:]
		return k, at, nil
	}
}

// damage returns what becomes of bytes read.
func (p *brokenPort) damage(in []byte) []byte {
	out := make([]byte, 0, len(in)+len(p.faults))
	for _, c := range in {
		keep := true
		for _, f := range p.faults {
			if f.At != p.pos {
				continue
			}
			switch f.Kind {
			case Drop:
				keep = false
			case Flip:
				c ^= f.Byte
			case Insert:
				out = append(out, f.Byte)
			case Gone:
				p.gone = true
				return out
			}
		}
		if keep {
			out = append(out, c)
		}
		p.pos++
	}
	return out
}

// Discard implements device.Port; what is thrown away counts as read.
func (p *brokenPort) Discard() error {
	p.spare = nil
	return p.Port.Discard()
}
