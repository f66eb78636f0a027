package gmc

import (
	"errors"
	"fmt"
	"time"

	"photongate/device"
)

const (
	// burstGap is the silence that ends a burst: records come 1 s apart, the bytes of
	// one at the line's speed.
	burstGap = 300 * time.Millisecond
	// early is how much sooner than a second after the one before a record may come:
	// the one before may have been late, but then by less than burstGap before the next.
	early = 750 * time.Millisecond

	maxBurst = 4096             // bytes kept of one burst: half an hour of a host that slept
	badLimit = 10 * time.Second // bursts but no record for this long: something else is on the line
	badCount = 5                // and so many of them
)

// due is how many records can have come since the last burst, or since the heartbeat
// was switched on.
func due(since time.Duration, first bool) int {
	if first {
		since += gate - early
	}
	return int((since + early) / gate)
}

// joins reports whether bytes that came some time after others are of the same burst.
// Those that waited for a host that was held up are, where they make it whole.
func (p spec) joins(before, more int, pause time.Duration) bool {
	if before+more > maxBurst {
		return false
	}
	return pause < burstGap || before%p.size() != 0 && (before+more)%p.size() == 0
}

// beats reads the heartbeat.
type beats struct {
	port  device.Port
	clock device.Clock
	spec  spec
	phase *device.Phase

	chunk [512]byte
	burst []byte // received since the last silence
	at    int64  // when the last byte of it came
	ended int64  // when the last byte of the burst before came, or the heartbeat was switched on
	first bool   // no burst was whole yet

	bad      int    // bytes of bursts discarded since the last record
	bursts   int    // how many these were
	guess    int    // how many records they were, at least
	detail   string // what was wrong with the first
	lastGood int64
}

// read takes in what comes within device.MaxWait, up to the end of a burst.
func (s *beats) read(b *device.Batch) error {
	wait := device.MaxWait
	if len(s.burst) > 0 {
		wait = min(wait, max(0, time.Duration(s.at+int64(burstGap)-s.clock())))
	}
	n, at, err := s.port.Read(s.chunk[:], wait)
	switch {
	case errors.Is(err, device.ErrTimeout):
		if now := s.clock(); len(s.burst) == 0 {
			s.phase.Tick(b, now)
		} else if now-s.at >= int64(burstGap) {
			s.endBurst(b)
		}
		return s.nonsense()
	case err != nil:
		s.endBurst(b)
		s.tellDamage()
		s.phase.Flush(b)
		return err
	}
	if !s.spec.joins(len(s.burst), n, time.Duration(at-s.at)) {
		s.endBurst(b)
	}
	s.burst, s.at = append(s.burst, s.chunk[:n]...), at
	return s.nonsense()
}

// endBurst makes readings of the bytes that came together.
func (s *beats) endBurst(b *device.Batch) {
	if len(s.burst) == 0 {
		return
	}
	most := due(time.Duration(s.at-s.ended), s.first)
	n, ok := s.spec.records(len(s.burst), most)
	if ok {
		s.tellDamage()
		s.add(b, n)
		s.first, s.lastGood = false, s.at
	} else {
		s.discard(most)
	}
	s.ended, s.burst = s.at, s.burst[:0]
}

// add appends n readings, which came together. The first one of all is left out: it
// may not be of a whole second.
func (s *beats) add(b *device.Batch, n int) {
	records := s.burst
	if s.first {
		records, n = records[s.spec.size():], n-1
	}
	for ; len(records) > 0; records = records[s.spec.size():] {
		v := s.spec.count(records)
		var flags device.ReadingFlags
		var f device.ChannelFlags
		if v > maxCPS {
			flags, f = device.Implausible, device.Suspect
		}
		b.Flags = append(b.Flags, flags)
		b.Values[0] = append(b.Values[0], v)
		b.ValueFlags[0] = append(b.ValueFlags[0], f)
	}
	s.phase.Take(b, n, s.at)
}

// discard notes a burst that is no records.
func (s *beats) discard(most int) {
	if s.bad == 0 {
		s.detail = s.spec.wrong(len(s.burst), most) + ": " + device.ShowBytes(s.burst)
	}
	s.bad += len(s.burst)
	s.bursts++
	s.guess += min(max(1, len(s.burst)/s.spec.size()), max(1, most))
}

// tellDamage tells the phase of what was discarded before a record.
func (s *beats) tellDamage() {
	if s.bad == 0 {
		return
	}
	s.phase.Damage(s.guess, device.CauseDamaged, fmt.Sprintf("%s (%d bytes discarded)", s.detail, s.bad))
	s.bad, s.bursts, s.guess = 0, 0, 0
}

// nonsense fails when what comes is no heartbeat any more.
func (s *beats) nonsense() error {
	if s.bursts < badCount || s.at-s.lastGood < int64(badLimit) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes in %v and no heartbeat among them, first %s",
		device.ErrNonsense, s.bad, time.Duration(s.at-s.lastGood).Round(time.Second), s.detail)
}
