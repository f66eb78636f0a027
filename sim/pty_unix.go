//go:build linux || darwin || freebsd || netbsd || openbsd

package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ptyLook is how often a pty that nobody has open is looked at: there is no
// event for a host opening it.
const ptyLook = 5 * time.Millisecond

// PTY is a serial port made of a pseudo-terminal behind a symbolic link that
// stays the same when the pseudo-terminal changes.
//
// While no host has it open, bytes for it are dropped, and what a host left
// unread is thrown away when it closes; so nobody reads what was sent before. (A
// host that closes and reopens within microseconds may still find it.) While a
// host has it open but does not read, about 20 KiB wait for it on Linux; what
// comes then is dropped.
type PTY struct {
	link  string
	lock  *linkLock
	inbox *inbox

	current *ptyPair // nil while unplugged
	spare   *ptyPair // made while the old one still held its number
}

// OpenPTY makes a pseudo-terminal and the link to it. It replaces a link left
// behind, and refuses anything else found under that name, and the link of an
// instrument that still runs.
func OpenPTY(link string) (*PTY, error) {
	lock, err := lockLink(link)
	if err != nil {
		return nil, err
	}
	p := &PTY{link: link, lock: lock, inbox: newInbox()}
	pair, err := openPair()
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	if err := p.publish(pair); err != nil {
		return nil, errors.Join(err, pair.close(), lock.release())
	}
	return p, nil
}

// publish points the link at pair and starts listening to it.
func (p *PTY) publish(pair *ptyPair) error {
	if err := replaceLink(p.link, pair.name); err != nil {
		return err
	}
	p.current = pair
	pair.start(p.inbox)
	return nil
}

// Ready implements [Conn].
func (p *PTY) Ready() <-chan struct{} { return p.inbox.ready }

// Poll implements [Conn].
func (p *PTY) Poll() (Event, bool) { return p.inbox.poll() }

// Where names the link and the pseudo-terminal behind it.
func (p *PTY) Where() string {
	if p.current == nil {
		return p.link + " (unplugged)"
	}
	return p.link + " (pty " + p.current.name + ")"
}

// TryWrite implements [Conn].
func (p *PTY) TryWrite(b []byte) int {
	if p.current == nil {
		return 0
	}
	return p.current.tryWrite(b)
}

// Baud is the speed the host has set; 0 while the port is unplugged.
func (p *PTY) Baud() int {
	baud := 0
	if p.current != nil {
		p.current.withFD(func(fd int) { baud = terminalBaud(fd) })
	}
	return baud
}

// Unplug removes the link and hangs up the pseudo-terminal.
func (p *PTY) Unplug() error {
	if p.current == nil {
		return nil
	}
	// Opened before the old one is freed, so that it gets another number.
	spare, err := openPair()
	if err != nil {
		return err
	}
	p.spare = spare
	return p.drop()
}

// Plug makes a new pseudo-terminal, of another number, appear behind the link.
func (p *PTY) Plug() error {
	if p.current != nil || p.spare == nil {
		return nil
	}
	pair := p.spare
	p.spare = nil
	if err := p.publish(pair); err != nil {
		return errors.Join(err, pair.close())
	}
	return nil
}

// Close removes the link, unless it points elsewhere by now, and hangs up.
func (p *PTY) Close() error {
	err := p.drop()
	if p.spare != nil {
		err = errors.Join(err, p.spare.close())
		p.spare = nil
	}
	if p.lock != nil {
		err = errors.Join(err, p.lock.release())
		p.lock = nil
	}
	return err
}

func (p *PTY) drop() error {
	if p.current == nil {
		return nil
	}
	pair := p.current
	p.current = nil
	var err error
	if target, readErr := os.Readlink(p.link); readErr == nil && target == pair.name {
		err = os.Remove(p.link)
	}
	err = errors.Join(err, pair.close())
	p.inbox.clear()
	return err
}

// ptyPair is one pseudo-terminal; only the master end is held.
type ptyPair struct {
	name   string // of the slave, such as /dev/pts/5
	master *os.File
	stop   chan struct{}
	done   sync.WaitGroup

	mu       sync.Mutex
	attached bool // between Opened and Closed: bytes may be written
}

// openPair makes a pseudo-terminal that changes no byte and whose slave nobody
// has open.
func openPair() (*ptyPair, error) {
	m, s, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("make a pseudo-terminal: %w", err)
	}
	defer s.Close()
	defer m.Close()
	if _, err := term.MakeRaw(int(s.Fd())); err != nil {
		return nil, fmt.Errorf("set pseudo-terminal %s raw: %w", s.Name(), err)
	}
	// A copy in non-blocking mode: reads end when the file is closed, and
	// writes never wait.
	fd, err := unix.FcntlInt(m.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate pseudo-terminal: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("make pseudo-terminal non-blocking: %w", err), unix.Close(fd))
	}
	return &ptyPair{name: s.Name(), master: os.NewFile(uintptr(fd), m.Name()), stop: make(chan struct{})}, nil
}

func (t *ptyPair) start(in *inbox) { t.done.Go(func() { t.listen(in) }) }

// close hangs up and waits for listen to end.
func (t *ptyPair) close() error {
	close(t.stop)
	err := t.master.Close()
	t.done.Wait()
	return err
}

// listen tells of openings, closings and bytes until close.
func (t *ptyPair) listen(in *inbox) {
	buf := make([]byte, 1024)
	for {
		n, ok := t.waitOpen(buf)
		if !ok {
			return
		}
		t.setAttached(true)
		in.put(Opened)
		for err := error(nil); err == nil; n, err = t.master.Read(buf) {
			if n > 0 && !in.write(buf[:n], t.stop) {
				return
			}
		}
		// The last host closed it, or close was called.
		t.setAttached(false)
		in.put(Closed)
		select {
		case <-t.stop: // the name may soon be another's
			return
		default:
			t.discard()
		}
	}
}

// waitOpen waits until a host has the slave open, or had and left the first n
// bytes of buf; false means close was called.
func (t *ptyPair) waitOpen(buf []byte) (n int, ok bool) {
	look := time.NewTicker(ptyLook)
	defer look.Stop()
	for {
		open := false
		t.withFD(func(fd int) {
			if open = slaveOpen(fd); !open {
				n, _ = unix.Read(fd, buf) // hung up, so it cannot wait
				open = n > 0
			}
		})
		if open {
			return max(n, 0), true
		}
		select {
		case <-look.C:
		case <-t.stop:
			return 0, false
		}
	}
}

func (t *ptyPair) setAttached(attached bool) {
	t.mu.Lock()
	t.attached = attached
	t.mu.Unlock()
}

// slaveOpen reports whether a host has the slave open: without one the master is
// hung up.
func slaveOpen(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, 0)
	for err == unix.EINTR { // a signal of the scheduler's, which says nothing of the pty
		_, err = unix.Poll(fds, 0)
	}
	return err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) == 0
}

// tryWrite writes what the slave can take if somebody has it open.
func (t *ptyPair) tryWrite(p []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	written := 0
	t.withFD(func(fd int) {
		for t.attached && written < len(p) && slaveOpen(fd) {
			n, err := unix.Write(fd, p[written:])
			if err == unix.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				return
			}
			written += n
		}
	})
	return written
}

// withFD runs f with the master's descriptor unless it is closed.
func (t *ptyPair) withFD(f func(fd int)) {
	raw, err := t.master.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // closed: f is not run, which is what it means
}

// discard throws away what the last host left unread and undoes its line
// settings. It opens the slave for a moment; nothing is written meanwhile that
// the next host would miss.
func (t *ptyPair) discard() {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(t.name, flags, 0)
	for err == unix.EINTR {
		fd, err = unix.Open(t.name, flags, 0)
	}
	if err != nil {
		return // hung up for good
	}
	defer unix.Close(fd)
	if _, err := term.MakeRaw(fd); err != nil {
		return
	}
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
	}
}

// replaceLink makes link point to target in one step.
func replaceLink(link, target string) error {
	info, err := os.Lstat(link)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("make link to the pseudo-terminal: %w", err)
	case info.Mode()&os.ModeSymlink == 0:
		return fmt.Errorf("%s exists and is no symbolic link: remove it or choose another name for the pty", link)
	default:
		if old, err := os.Readlink(link); err == nil && !strings.HasPrefix(old, "/dev/") {
			return fmt.Errorf("%s is a symbolic link to %s, not to a terminal: remove it or choose another name for the pty", link, old)
		}
	}
	temporary := filepath.Join(filepath.Dir(link), fmt.Sprintf(".%s.%d", filepath.Base(link), os.Getpid()))
	if err := os.Symlink(target, temporary); err != nil {
		return fmt.Errorf("make link to the pseudo-terminal (does the folder exist?): %w", err)
	}
	if err := os.Rename(temporary, link); err != nil {
		return errors.Join(fmt.Errorf("make link to the pseudo-terminal: %w", err), os.Remove(temporary))
	}
	return nil
}
