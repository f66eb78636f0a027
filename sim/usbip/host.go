package usbip

import (
	"bufio"
	"io"
	"net"
	"sync"

	"photongate/sim/usb"
)

const (
	// readAhead is what a connection reads and writes in one go.
	readAhead = 64 << 10
	// spareBuffers are kept for the next transfers.
	spareBuffers = 32
)

// host is one that has the device. Its reader is the goroutine that calls serve, which
// starts the writer and waits for it.
type host struct {
	server  *Server
	conn    net.Conn
	answers chan struct{} // 1 element: something is to be written
	room    chan struct{} // 1 element: something was written
	gone    chan struct{}
	once    sync.Once

	mu      sync.Mutex
	out     []answer
	pending int // transfers and unlinks whose answers are not written
	bytes   int // of these
	spare   [][]byte
}

// answer is one that waits to be written.
type answer struct {
	transfer *usb.Transfer // completed, or unlinked; nil: there was none to unlink
	unlink   bool
	id       uint32 // of the unlink
}

func newHost(s *Server, conn net.Conn) *host {
	return &host{
		server: s, conn: conn,
		answers: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// close cuts the connection; serve then returns.
func (h *host) close() {
	h.once.Do(func() {
		close(h.gone)
		h.conn.Close()
	})
}

// serve takes the host's requests until it leaves or says something wrong.
func (h *host) serve() {
	var writer sync.WaitGroup
	writer.Go(h.write)
	h.read()
	h.close()
	writer.Wait()
	h.server.put(usb.Happening{Kind: usb.Gone, Host: h})
}

// read passes requests on.
func (h *host) read() {
	in := bufio.NewReaderSize(h.conn, readAhead)
	for {
		var header [headerBytes]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return
		}
		c, err := decodeCommand(&header)
		if err != nil || !h.reserve(c.length) {
			return
		}
		if c.unlink {
			h.server.put(usb.Happening{Kind: usb.Unlink, Host: h, Request: c.id, Victim: c.victim})
			continue
		}
		t := &usb.Transfer{ID: c.id, Endpoint: c.endpoint, Setup: c.setup, Data: h.buffer(c.length),
			ShortIsError: c.shortIsError, ZeroEnds: c.zeroEnds}
		if c.in {
			t.Endpoint |= 1 << 7
		} else if _, err := io.ReadFull(in, t.Data); err != nil {
			return
		}
		h.server.put(usb.Happening{Kind: usb.Submitted, Host: h, Transfer: t})
	}
}

// reserve waits until a host that has much under way has taken some of it. It reports
// false when the host is gone.
func (h *host) reserve(length int) bool {
	for {
		h.mu.Lock()
		fits := h.pending < maxPending && h.bytes+length <= maxPendingBytes
		if fits {
			h.pending++
			h.bytes += length
		}
		h.mu.Unlock()
		if fits {
			return true
		}
		select {
		case <-h.room:
		case <-h.gone:
			return false
		}
	}
}

// buffer is room for a transfer.
func (h *host) buffer(length int) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.spare); n > 0 && cap(h.spare[n-1]) >= length {
		b := h.spare[n-1][:length]
		h.spare = h.spare[:n-1]
		return b
	}
	return make([]byte, length)
}

// Complete implements [usb.Host].
func (h *host) Complete(t *usb.Transfer) { h.answer(answer{transfer: t}) }

// Unlinked implements [usb.Host].
func (h *host) Unlinked(request uint32, t *usb.Transfer) {
	h.answer(answer{transfer: t, unlink: true, id: request})
}

func (h *host) answer(a answer) {
	h.mu.Lock()
	h.out = append(h.out, a)
	h.mu.Unlock()
	signal(h.answers)
}

// write writes answers until the connection is closed.
func (h *host) write() {
	out := bufio.NewWriterSize(h.conn, readAhead)
	var scratch []byte
	var batch []answer
	for {
		select {
		case <-h.answers:
		case <-h.gone:
			return
		}
		h.mu.Lock()
		batch, h.out = h.out, batch[:0]
		h.mu.Unlock()
		for _, a := range batch {
			scratch = a.append(scratch[:0])
			if _, err := out.Write(scratch); err != nil {
				h.close()
				return
			}
			if t := a.transfer; !a.unlink && t.Endpoint&(1<<7) != 0 {
				if _, err := out.Write(t.Data[:t.Moved]); err != nil {
					h.close()
					return
				}
			}
			h.written(a)
		}
		if err := out.Flush(); err != nil {
			h.close()
			return
		}
	}
}

// append appends an answer without its data.
func (a answer) append(b []byte) []byte {
	if a.unlink {
		return appendUnlinked(b, a.id, a.transfer != nil)
	}
	return appendSubmitted(b, a.transfer.ID, a.transfer.Status, a.transfer.Moved)
}

// written makes room for another request.
func (h *host) written(a answer) {
	h.mu.Lock()
	if a.unlink {
		h.pending--
	}
	if t := a.transfer; t != nil {
		h.pending--
		h.bytes -= len(t.Data)
		if len(h.spare) < spareBuffers {
			h.spare = append(h.spare, t.Data)
		}
	}
	h.mu.Unlock()
	signal(h.room)
}
