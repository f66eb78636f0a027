// Package pulse tells whether bytes of a connection move that the program does
// not see: bytes that came and cannot be read yet since one before them was
// lost, and bytes that were written long ago and only now get through a slow
// line. Both ends use it to tell a slow line from a dead one.
//
// What the system takes from the program proves nothing, and neither does what
// the other end's system, or a box in between, acknowledges at once: a program
// that hangs, or that is gone behind such a box, is not alive for it. So bytes
// that leave count only where they had to wait.
package pulse

import "net"

// Pulse looks at one connection. A nil Pulse sees nothing. It may be used
// concurrently with the connection, by one goroutine.
type Pulse struct {
	feel func() (counters, bool)
	last counters
}

// counters are what the system tells of a connection.
type counters struct {
	came    uint64 // segments with data, whether they can be read yet or not
	left    uint64 // bytes that the other end acknowledged
	waiting uint64 // bytes that were written and did not leave yet
}

// Of returns the Pulse of a connection; nil where the system tells nothing: for
// what is no TCP, and on systems but Linux. A connection under TLS is looked
// for below it.
func Of(conn net.Conn) *Pulse {
	tcp, ok := below(conn)
	if !ok {
		return nil
	}
	feel := feeler(tcp)
	if feel == nil {
		return nil
	}
	now, ok := feel()
	if !ok {
		return nil
	}
	return &Pulse{feel: feel, last: now}
}

// Moved reports whether bytes moved since the last call.
func (p *Pulse) Moved() bool {
	if p == nil {
		return false
	}
	now, ok := p.feel()
	if !ok {
		return false
	}
	last := p.last
	p.last = now
	return moved(last, now)
}

// moved compares two looks. Bytes that wait at both had to wait for the line
// all the time between, as bytes leave in order.
func moved(last, now counters) bool {
	return now.came != last.came || now.left != last.left && last.waiting > 0 && now.waiting > 0
}

// Unsent is how many bytes were written and are not acknowledged yet by the
// other end; false where the system does not tell.
func Unsent(conn net.Conn) (bytes int, ok bool) {
	tcp, ok := below(conn)
	if !ok {
		return 0, false
	}
	return unsent(tcp)
}

// below is the TCP connection that carries conn; false where there is none.
func below(conn net.Conn) (*net.TCPConn, bool) {
	for {
		under, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = under.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	return tcp, ok
}
