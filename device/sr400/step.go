package sr400

import (
	"fmt"
	"math"
	"time"

	"photongate/device"
)

// All answers are bare numbers that come in the order of the questions, and none says
// what it answers. One that was held back, or a line too many, makes each following
// answer that of the question before. So the conversation is proved to be in step: with
// a question (a mark) whose answer is no whole number, and so neither a count nor a
// status. Each point is given only after a mark was answered as one. After any trouble,
// before anything is believed again, more questions of whole numbers go ahead of the
// mark than answers can be owed by then: whole numbers in such a number with the mark
// behind them are those of these questions, and nothing older can come.

// marks are questions about settings that are hardly ever whole numbers: levels and
// dwell time in volts and seconds. A gate width never is one, but whether it can be
// asked for is not known.
var marks = []string{"DL 0", "DL 1", "DT", "GW 0"}

const (
	wholeQuestion = "CM" // 0 to 3
	// aheadLeast is how many of it go ahead of the mark at least. One answer can be owed
	// when it begins, and one more for each proof that failed; at opening, what another
	// conversation left behind.
	aheadLeast = 8
	// mostProofs fail before it is given up, and mostUnclear of them with answers.
	mostProofs  = 60
	mostUnclear = 6
	stepLimit   = 10 * time.Second // while it is opened
)

// isMark reports whether a line is the answer to a mark: a number, and not a whole one.
func isMark(line []byte) bool {
	v, ok := parseReal(line)
	return ok && v != math.Trunc(v)
}

// proof is a series of questions that shows that the conversation is in step.
type proof struct {
	mark     string
	ahead    int  // whole numbers before it that are enough
	marked   bool // it was asked
	asked    int  // questions asked
	answered int  // lines received
	whole    int  // whole numbers received in succession
}

// ask is the next question.
func (p *proof) ask() string {
	p.asked++
	if p.whole < p.ahead {
		return wholeQuestion
	}
	p.marked = true
	return p.mark
}

// take takes a line and reports whether it completes the proof.
func (p *proof) take(line []byte) (proved bool) {
	p.answered++
	if _, whole := parseWhole(line); whole {
		p.whole++
		return false
	}
	proved = isMark(line) && p.whole >= p.ahead
	p.whole = 0
	return proved
}

// proofs is what a poller knows of being in step.
type proofs struct {
	proof   *proof // under way; nil: none
	mark    int    // which of marks is asked
	blind   bool   // none of them serves: the instrument is set so that all are whole numbers
	failed  int    // proofs since it was in step
	unclear int    // those to which answers came
	// even says that since a mark was answered by a whole number as many lines came as
	// were asked for. If that is so when it is in step again, it was all the time, and
	// somebody set to a whole number what the mark asks for.
	even bool
}

// beginProof begins one.
func (s *proofs) beginProof() {
	s.proof = &proof{mark: marks[s.mark], ahead: max(aheadLeast, s.failed+2)}
}

// endProof ends one that did not succeed. The next is tried with another mark.
func (s *proofs) endProof() error {
	s.failed++
	if s.proof.answered > 0 {
		s.unclear++
	}
	s.even = s.even && s.proof.answered == s.proof.asked
	s.proof = nil
	s.nextMark()
	switch {
	case s.unclear >= mostUnclear:
		return fmt.Errorf("%w: its answers are not those to the questions asked, or come late", device.ErrNonsense)
	case s.failed >= mostProofs:
		return device.ErrTimeout
	}
	return nil
}

// nextMark has another mark asked.
func (s *proofs) nextMark() { s.mark = (s.mark + 1) % len(marks) }

// succeed ends one that did.
func (s *proofs) succeed() {
	s.even = s.even && s.proof != nil && s.proof.answered == s.proof.asked
	s.proof, s.failed, s.unclear = nil, 0, 0
}

// pause is how long nothing may come before the next proof.
func (s *proofs) pause() time.Duration {
	const slower, most = 4, 5
	return quietTime << min(s.failed/slower, most)
}

// nobody asks nothing: the poller is used to get in step.
type nobody struct{}

func (nobody) question() (string, int64)              { return "", math.MaxInt64 }
func (nobody) answered(*device.Batch, answer) error   { return nil }
func (nobody) lost(*device.Batch, string, bool) error { return nil }

// getInStep has the poller prove that the conversation is in step. An asker is told if
// it was not.
func (p *poller) getInStep(b *device.Batch, s asker) error {
	t := p.talk
	until := t.clock() + int64(stepLimit)
	if t.until != 0 {
		until = t.until
	}
	held := p.hold
	p.hold = true
	defer func() { p.hold = held }()
	p.lose("an answer that did not come")
	for !p.idle() {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if t.clock() > until {
			return device.ErrTimeout
		}
		if err := p.poll(b, s); err != nil {
			return err
		}
	}
	return nil
}
