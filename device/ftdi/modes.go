package ftdi

import (
	"fmt"
	"time"

	"photongate/device"
)

// SetDTR implements device.ModemLines.
func (p *Port) SetDTR(on bool) error { return p.modem(0x0100, on) }

// SetRTS implements device.ModemLines.
func (p *Port) SetRTS(on bool) error { return p.modem(0x0200, on) }

// modem sets a modem line: its mask in the high byte, its state in the low one.
func (p *Port) modem(mask uint16, on bool) error {
	if on {
		mask |= mask >> 8
	}
	return gone(p.request(reqModem, mask, p.chip.port))
}

// Break implements device.Breaker.
func (p *Port) Break(d time.Duration) error {
	if err := p.request(reqData, p.format|breakOn, p.chip.port); err != nil {
		return gone(err)
	}
	<-time.After(d)
	return gone(p.request(reqData, p.format, p.chip.port))
}

// SetLatency sets how long the chip waits for more bytes before it sends a packet
// that is not full, 1 to 255 ms.
func (p *Port) SetLatency(d time.Duration) error {
	ms := d / time.Millisecond
	if ms < 1 || ms > 255 {
		return fmt.Errorf("%w: latency of %v: expected 1ms to 255ms", device.ErrSetting, d)
	}
	return gone(p.request(reqLatency, uint16(ms), p.chip.port))
}

// SetFIFO implements device.FIFO: the synchronous FIFO of chips that have one, whose
// EEPROM says so. FTDI's note AN_130 wants the chip reset before, and flow control
// by RTS and CTS with it.
func (p *Port) SetFIFO(on bool) error {
	if on && !p.chip.fifo {
		return fmt.Errorf("%w: the %s at %s has no synchronous FIFO; FT2232H and FT232H have", device.ErrSetting, p.chip.name, p.name)
	}
	mode, flow, kind := uint16(modeOff), uint16(flowNone), lineTransfers
	if on {
		mode, flow, kind = modeFIFO, flowRTSCTS, fifoTransfers
	}
	p.pause()
	err := p.setMode(mode, flow)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = false
	p.ring.from = p.ring.to
	if p.closed {
		return device.ErrClosed
	}
	if err == nil {
		err = p.fetch(kind)
	}
	if err != nil {
		p.err = err // nobody fetches any more
	}
	return gone(err)
}

// setMode sends what a mode needs.
func (p *Port) setMode(mode, flow uint16) error {
	for _, r := range []struct {
		request      uint8
		value, index uint16
	}{
		{reqBitMode, modeOff<<8 | 0xFF, p.chip.port},
		{reqBitMode, mode<<8 | 0xFF, p.chip.port},
		{reqFlow, 0, flow<<8 | p.chip.port},
		{reqReset, purgeIn, p.chip.port},
	} {
		if err := p.request(r.request, r.value, r.index); err != nil {
			return err
		}
	}
	return nil
}

// pause takes back the transfers under way and waits for who fetches.
func (p *Port) pause() {
	p.mu.Lock()
	p.paused = true
	p.room.Signal()
	p.mu.Unlock()
	_ = p.stream.Close() // only says what fetching will say, too
	<-p.fetched
}
