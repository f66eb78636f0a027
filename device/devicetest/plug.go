package devicetest

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photongate/device"
)

// plugged is a played instrument and the host's end of it.
type plugged struct {
	request device.OpenRequest
	close   func() error // of the host's end
	unplug  func()
	playing sync.WaitGroup
}

// plug plays the subject's instrument inside the bubble that it is called in. What
// passes is noted in r, unless that is nil.
func (s session) plug(truth *Truth, r *record) *plugged {
	if s.subject.PlayUSB != nil {
		return s.plugUSB(truth, r)
	}
	p := &plugged{}
	port, end := NewPair(Clock)
	end.Write(s.before)
	if s.subject.Play != nil {
		p.playing.Go(func() { s.subject.Play(end, truth) })
	}
	var host device.Port = port
	if r != nil {
		host = counted{host, r}
	}
	if s.wrap != nil {
		host = s.wrap(host)
	}
	p.request = device.OpenRequest{Port: host, Settings: s.subject.Settings, Clock: Clock}
	p.close, p.unplug = host.Close, end.Unplug
	return p
}

// plugUSB is plug for a driver on USB.
func (s session) plugUSB(truth *Truth, r *record) *plugged {
	p := &plugged{}
	usb, end := NewUSB(s.subject.USB, Clock)
	for _, e := range s.subject.USB.Endpoints {
		if e.In() && len(s.before) > 0 {
			end.Send(e.Address, s.before...)
		}
	}
	p.playing.Go(func() { s.subject.PlayUSB(end, truth) })
	var host device.USBDevice = usb
	if r != nil {
		host = countedUSB{host, r}
	}
	if s.wrapUSB != nil {
		host = s.wrapUSB(host)
	}
	p.request = device.OpenRequest{USB: host, Settings: s.subject.Settings, Clock: Clock}
	p.close, p.unplug = host.Close, end.Unplug
	return p
}

// end unplugs the instrument and waits for whoever plays it.
func (p *plugged) end() {
	p.unplug()
	p.playing.Wait()
}

// Bubble runs use with a port on a played instrument, on fake time. Use closes
// the port or leaves it to Bubble, which waits for the instrument to end.
func Bubble(t *testing.T, play func(*End, *Truth), use func(device.Port)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		p := session{subject: Subject{Play: play}}.plug(&Truth{}, nil)
		use(p.request.Port)
		p.end()
	})
}

// BubbleUSB is Bubble for an instrument on USB, whose ids and endpoints info has.
func BubbleUSB(t *testing.T, info device.USBInfo, play func(*USBEnd, *Truth), use func(device.USBDevice)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		p := session{subject: Subject{PlayUSB: play, USB: info}}.plug(&Truth{}, nil)
		use(p.request.USB)
		p.end()
	})
}

// counted counts bytes both ways.
type counted struct {
	device.Port
	r *record
}

func (c counted) Read(b []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := c.Port.Read(b, timeout)
	c.r.received += n
	c.r.bytes = append(c.r.bytes, b[:n]...)
	if n > 0 {
		c.exchange(false, b[:n])
	}
	return n, at, err
}

// exchange notes bytes that passed, and when.
func (c counted) exchange(sent bool, b []byte) {
	c.r.talk = append(c.r.talk, device.Exchange{Sent: sent, At: time.Duration(Clock() - c.r.began), Bytes: slices.Clone(b)})
}

func (c counted) Write(b []byte) (int64, error) {
	c.r.sent = append(c.r.sent, b...)
	c.exchange(true, b)
	return c.Port.Write(b)
}

// countedUSB counts bytes and transfers both ways. Control requests count as what
// is sent, with the data they carry.
type countedUSB struct {
	device.USBDevice
	r *record
}

func (c countedUSB) Control(requestType, request uint8, value, index uint16, data []byte, timeout time.Duration) (int, error) {
	c.r.sent = append(c.r.sent, requestType, request, byte(value), byte(value>>8), byte(index), byte(index>>8))
	if requestType&0x80 == 0 {
		c.r.sent = append(c.r.sent, data...)
	}
	n, err := c.USBDevice.Control(requestType, request, value, index, data, timeout)
	if requestType&0x80 != 0 {
		c.count(data[:n], err)
	} else {
		c.count(nil, err)
	}
	return n, err
}

func (c countedUSB) count(p []byte, err error) {
	if err == nil {
		c.r.received += len(p)
		c.r.bytes = append(c.r.bytes, p...)
		c.r.calls++
	}
}

func (c countedUSB) In(endpoint uint8, p []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := c.USBDevice.In(endpoint, p, timeout)
	c.count(p[:n], err)
	return n, at, err
}

func (c countedUSB) Out(endpoint uint8, p []byte, timeout time.Duration) (int64, error) {
	c.r.sent = append(c.r.sent, p...)
	at, err := c.USBDevice.Out(endpoint, p, timeout)
	c.count(nil, err)
	return at, err
}

func (c countedUSB) Stream(endpoint uint8, size, count int) (device.USBStream, error) {
	s, err := c.USBDevice.Stream(endpoint, size, count)
	if err != nil {
		return nil, err
	}
	return countedStream{s, c}, nil
}

// countedStream counts what comes through a stream.
type countedStream struct {
	device.USBStream
	c countedUSB
}

func (s countedStream) Read(p []byte, timeout time.Duration) (int, int64, error) {
	n, at, err := s.USBStream.Read(p, timeout)
	s.c.count(p[:n], err)
	return n, at, err
}
