package devicetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"photongate/device"
)

// TagSubject is a driver whose Sources give time tags, and an instrument for it, as
// a test provides them.
type TagSubject struct {
	Driver   device.Driver
	Settings device.Settings

	// Play plays the instrument at its end of the port until that ends (Wait and
	// Write report false, Read returns ErrClosed). It is written from the
	// instrument's description, not from the driver, and notes in truth every tag
	// just before it sends it, in the order in which it sends them. No two tags may
	// be the same.
	Play func(end *End, truth *TagTruth)

	// PlayUSB is Play for a driver on USB; USB is what the device says of itself,
	// with its endpoints.
	PlayUSB func(end *USBEnd, truth *TagTruth)
	USB     device.USBInfo

	Every time.Duration // mean time between two tags that Play sends

	// Disorder is by how many ticks a tag may come behind one of a later time.
	Disorder uint64

	// Mute says that nothing is written to the instrument.
	Mute bool

	// Quiet says that one that sends nothing may be an instrument in the dark:
	// opening does not refuse it.
	Quiet bool

	// Formless says that any bytes at all are good records: opening refuses none.
	Formless bool

	// Astray is how many tags in a row a fault may make wrong before the bytes show
	// it; 0 stands for 1.
	Astray int

	// Unseen is how many faults, of those done to every byte of a few tags, give a
	// wrong tag that the bytes cannot reveal. A twentieth more is allowed. On USB it
	// is of the faults done to every transfer.
	Unseen int

	// Inserts are the bytes put in by the fault tests: what is worst for the wire
	// format.
	Inserts []byte
}

// TagTruth is what a played instrument really sent, in that order: ticks of its own
// clock since it was switched on, never wrapped.
type TagTruth struct {
	mu   sync.Mutex
	tags []sentTag
}

type sentTag struct {
	tick    uint64
	channel uint8
	at      int64 // when it was noted
}

// Add notes a tag that is being sent. Channel is an index into the channels that
// the driver describes.
func (t *TagTruth) Add(tick uint64, channel uint8) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tags = append(t.tags, sentTag{tick, channel, Clock()})
}

// RunTags holds a driver of tags to the contract of device.Source: no tag is wrong,
// doubled or out of place unseen, and each that is missing lies in a Loss or a Gap.
// Where the source's clock begins is its own affair.
func RunTags(t *testing.T, s TagSubject) {
	if onUSB := s.Driver.Transport == device.USB; onUSB != (s.PlayUSB != nil) {
		t.Fatalf("the driver is for %q: Play is for serial ones, PlayUSB for USB", s.Driver.Transport)
	}
	same := s.subject(&TagTruth{}) // what does not depend on what is sent
	t.Run("Undisturbed", s.testUndisturbed)
	t.Run("Quirks", same.testQuirks)
	if s.Driver.Cut != nil {
		t.Run("Cut", s.testCut)
	}
	if s.PlayUSB == nil {
		t.Run("OneByteAtATime", s.testOneByteAtATime)
	}
	t.Run("GarbageBefore", s.testGarbageBefore)
	t.Run("StalledHost", s.testStalledHost)
	if !s.Quiet {
		t.Run("Silence", same.testSilence)
	}
	if !s.Formless {
		t.Run("Nonsense", same.testNonsense)
	}
	t.Run("OpenCancelled", same.testOpenCancelled)
	t.Run("Close", same.testClose)
	t.Run("Unplug", s.testUnplug)
	t.Run("Replug", same.testReplug)
	if s.PlayUSB != nil {
		t.Run("FaultAtEveryTransfer", s.testFaultAtEveryTransfer)
		return
	}
	t.Run("FaultAtEveryByte", s.testFaultAtEveryByte)
	t.Run("ManyFaults", s.testManyFaults)
}

// subject is the same, its tags noted in truth.
func (s TagSubject) subject(truth *TagTruth) Subject {
	o := Subject{Driver: s.Driver, Settings: s.Settings, USB: s.USB, Gate: s.Every, Mute: s.Mute, Inserts: s.Inserts}
	if s.Play != nil {
		o.Play = func(end *End, _ *Truth) { s.Play(end, truth) }
	}
	if s.PlayUSB != nil {
		o.PlayUSB = func(end *USBEnd, _ *Truth) { s.PlayUSB(end, truth) }
	}
	return o
}

// tagSession is one use of the driver.
type tagSession struct {
	session
	truth *TagTruth
}

func (s TagSubject) session(tags int) tagSession {
	truth := &TagTruth{}
	return tagSession{s.subject(truth).session(tags), truth}
}

func (s tagSession) run(t *testing.T) *tagRecord {
	t.Helper()
	r := s.session.run(t)
	r.tags.truth = s.truth.tags
	return &tagRecord{r}
}

// mustRead runs a session that has to work.
func (s tagSession) mustRead(t *testing.T) *tagRecord {
	t.Helper()
	r := s.run(t)
	if r.openErr != nil {
		t.Fatalf("open: %v", r.openErr)
	}
	if r.readErr != nil {
		t.Fatalf("read: %v", r.readErr)
	}
	return r
}

// whole fails unless a record has all tags but a few at either end, no loss and no
// gap.
func (s TagSubject) whole(t *testing.T, r *tagRecord, least int) {
	t.Helper()
	wrong, err := r.compare()
	if err != nil {
		t.Error(err)
	}
	if err := r.clockHolds(s.Disorder); err != nil {
		t.Error(err)
	}
	if wrong > 0 {
		t.Errorf("%d wrong tags", wrong)
	}
	if len(r.tags.tick) < least {
		t.Errorf("%d tags, want at least %d", len(r.tags.tick), least)
	}
	if g := r.gaps(-1); len(g) > 0 {
		t.Errorf("%d gaps, first %+v", len(g), g[0])
	}
	if l := r.tags.losses; len(l) > 0 {
		t.Errorf("%d losses, first %+v", len(l), l[0])
	}
}

func (s TagSubject) testUndisturbed(t *testing.T) {
	r := s.session(400).mustRead(t)
	s.whole(t, r, 200)
	if r.slowest > device.MaxWait {
		t.Errorf("a Read took %v, at most %v is allowed", r.slowest, device.MaxWait)
	}
	if len(r.notes) == 0 || r.notes[0].Event == nil || r.notes[0].Event.What != "opened" || r.notes[0].Event.Text == "" {
		t.Errorf("the first note is no event \"opened\": %+v", r.notes)
	}
	d := r.desc
	if d.Model == "" || d.Identity != s.Driver.Identity || d.Port == "" || d.Timing != device.ByDevice || d.Gate != 0 || d.Tick.Num == 0 || d.Tick.Den == 0 {
		t.Errorf("description %+v", d)
	}
	seen := map[string]bool{}
	for _, c := range d.Channels {
		if c.Name == "" || seen[c.Name] || c.Input == "" || c.Kind != device.Tag && c.Kind != device.Marker {
			t.Errorf("channel %+v is incomplete, of a kind that is none of tags, or not the only one of its name", c)
		}
		seen[c.Name] = true
		counter, _, _ := strings.Cut(c.Input, ":")
		if may := s.Driver.Inputs.May; may != nil && (!may(c.Name) || !may(counter)) {
			t.Errorf("channel %+v may not be named in a configuration", c)
		}
	}
	if s.Mute && len(r.sent) > 0 {
		t.Errorf("wrote %q to an instrument that listens to nothing", r.sent)
	}
}

// testCut holds the driver's Cut to bytes that are no records, too.
func (s TagSubject) testCut(t *testing.T) {
	r := s.session(50).mustRead(t)
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		b := slices.Clone(r.bytes[:1+rng.IntN(min(200, len(r.bytes)-1))])
		for range rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		if p := s.Driver.Cut(b); p.Length < 0 || p.Length > len(b) {
			t.Fatalf("%d of %d bytes: %q", p.Length, len(b), b)
		}
	}
}

func (s TagSubject) testOneByteAtATime(t *testing.T) {
	se := s.session(200)
	se.wrap = func(p device.Port) device.Port { return chopped{p} }
	s.whole(t, se.mustRead(t), 100)
}

// What waits in the port when it is opened is none of the instrument's tags.
func (s TagSubject) testGarbageBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		se := s.session(100)
		se.before = make([]byte, rng.IntN(300))
		for i := range se.before {
			se.before[i] = byte(rng.Uint32())
		}
		s.whole(t, se.mustRead(t), 40)
	}
}

// A host that does not read for a while finds all that was sent meanwhile, or says
// what it cannot know.
func (s TagSubject) testStalledHost(t *testing.T) {
	se := s.session(200)
	se.pause = time.Second
	r := se.run(t)
	if r.openErr != nil {
		t.Fatalf("open: %v", r.openErr)
	}
	what, err := s.judge(r, 0)
	if err != nil || what == unseen {
		t.Errorf("%s: %v", what, err)
	}
}

func (s TagSubject) testUnplug(t *testing.T) {
	se := s.session(100)
	se.unplug = true
	r := se.run(t)
	if r.openErr != nil || !isGone(r.readErr) {
		t.Fatalf("open: %v, read: %v, want ErrGone", r.openErr, r.readErr)
	}
	if wrong, err := r.compare(); err != nil || wrong > 0 || len(r.gaps(-1)) > 0 {
		t.Errorf("%d wrong tags, gaps %v, %v", wrong, r.gaps(-1), err)
	}
}

// faultTags is how many tags' worth of bytes get a fault at each byte.
const faultTags = 12

// testFaultAtEveryByte does everything that can happen to a byte, to every byte of
// a run in turn.
func (s TagSubject) testFaultAtEveryByte(t *testing.T) {
	t.Attr("fault", "F35")
	clean := s.session(faultTags).mustRead(t)
	tally := faultTally{}
	for at := range clean.received {
		for _, f := range s.subject(nil).faults(at) {
			what, err := s.tryFaults(t, f)
			if err != nil {
				t.Errorf("%s of byte %d (%02x): %v", f.Kind, f.At, f.Byte, err)
			}
			tally.add(f.Kind, what)
		}
	}
	t.Attr("injected", fmt.Sprintf("each of %d bytes of the tags of a %s lost, changed in three ways, preceded by each of %q, or the last before the port goes",
		clean.received, s.Driver.Name, s.Inserts))
	t.Logf("tally: faults at each of %d bytes, %d of them while opening", clean.received, clean.opened)
	tally.tell(t, s.Unseen, Drop, Flip, Insert, Gone)
}

// testFaultAtEveryTransfer does everything that can happen to a transfer, to every
// transfer of a run in turn.
func (s TagSubject) testFaultAtEveryTransfer(t *testing.T) {
	t.Attr("fault", "F35")
	clean := s.session(faultTags).mustRead(t)
	tally := faultTally{}
	kinds := []FaultKind{Lost, Late, Short, Stall, Gone}
	for at := range clean.calls {
		for _, kind := range kinds {
			se := s.session(4 * faultTags)
			se.wrapUSB = func(u device.USBDevice) device.USBDevice { return BreakUSB(u, Fault{At: at, Kind: kind}) }
			what, err := s.judge(se.run(t), 1)
			if err != nil {
				t.Errorf("transfer %d %s: %v", at, kind, err)
			}
			tally.add(kind, what)
		}
	}
	t.Attr("injected", fmt.Sprintf("each of %d transfers of the tags of a %s lost, late, short, refused, or the device gone before it", clean.calls, s.Driver.Name))
	t.Logf("tally: faults at each of %d transfers", clean.calls)
	tally.tell(t, s.Unseen, kinds...)
}

// tryFaults runs a session with faults and says what came of them.
func (s TagSubject) tryFaults(t *testing.T, faults ...Fault) (string, error) {
	se := s.session(4 * faultTags)
	se.wrap = func(p device.Port) device.Port { return Break(p, faults...) }
	return s.judge(se.run(t), len(faults))
}

// testManyFaults puts three faults into a run at a time.
func (s TagSubject) testManyFaults(t *testing.T) {
	t.Attr("fault", "F35")
	t.Attr("injected", "three faults at a time in 300 runs of tags: bytes lost, changed, put in")
	clean := s.session(faultTags).mustRead(t)
	rng := rand.New(rand.NewPCG(4, 4))
	tally := faultTally{}
	for range 300 {
		var faults []Fault
		for range 3 {
			choice := s.subject(nil).faults(clean.opened + rng.IntN(max(1, clean.received-clean.opened)))
			if f := choice[rng.IntN(len(choice))]; f.Kind != Gone {
				faults = append(faults, f)
			}
		}
		what, err := s.tryFaults(t, faults...)
		if err != nil {
			t.Errorf("%+v: %v", faults, err)
		}
		tally.add("any", what)
	}
	tally.tell(t, 300)
}

// faultTally counts what came of faults, by their kind.
type faultTally map[FaultKind]map[string]int

func (f faultTally) add(kind FaultKind, what string) {
	if f[kind] == nil {
		f[kind] = map[string]int{}
	}
	f[kind][what]++
}

// tell writes the tally where reports look for it, and fails when more was unseen
// than most.
func (f faultTally) tell(t *testing.T, most int, kinds ...FaultKind) {
	all, faults := map[string]int{}, 0
	for _, counts := range f {
		for what, n := range counts {
			all[what] += n
			faults += n
		}
	}
	if most += most / 20; all[unseen] > most {
		t.Errorf("%d faults gave a wrong tag unseen, want at most %d: the bytes tell more than the driver looks at", all[unseen], most)
	}
	t.Attr("promised", "resynchronised or opened again, no tag wrong or out of place but where the bytes cannot tell, each missing one in a loss or a gap")
	t.Attr("seen", fmt.Sprintf("%d faults: %d a loss, gap or event, %d refused or opened again, %d without effect, %d wrong where no checksum can tell",
		faults, all[noticed], all[refused], all[harmless], all[unseen]))
	for _, kind := range kinds {
		for _, what := range []string{refused, noticed, harmless, unseen} {
			if n := f[kind][what]; n > 0 {
				t.Logf("tally: %-6s %-45s %5d", kind, what, n)
			}
		}
	}
}
