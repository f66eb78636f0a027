package watch

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"os/exec"
	"sync"
	"sync/atomic"
)

// Sound as it is handed to a player: 16 bit, little-endian, one channel.
const (
	sampleRate  = 22050
	blockFrames = sampleRate / 40 // 25 ms
	loudness    = 0.2
	glide       = 0.002 // by which part the pitch comes nearer to the one asked for with each sample
)

// players are programs that play raw samples from their standard input, in the
// order in which they are tried.
var players = [][]string{
	{"pw-cat", "--playback", "--raw", "--format=s16", "--rate=22050", "--channels=1", "--latency=50ms", "-"},
	{"pacat", "--playback", "--format=s16le", "--rate=22050", "--channels=1", "--latency-msec=50"},
	{"aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "22050", "-c", "1", "-B", "100000"},
	{"play", "-q", "-t", "raw", "-e", "signed", "-b", "16", "-r", "22050", "-c", "1", "-"},
}

// pcmTone plays through a program. One goroutine, which close ends and waits
// for, makes the samples at the pace at which the program takes them.
type pcmTone struct {
	program string
	hz      atomic.Uint64 // bits of a float64
	failed  atomic.Bool
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// startPlayer starts the first of the players that there is.
func startPlayer(look func(string) (string, error)) *pcmTone {
	for _, p := range players {
		path, err := look(p[0])
		if err != nil {
			continue
		}
		ctx, stop := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, path, p[1:]...)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			stop()
			continue
		}
		t := &pcmTone{program: p[0], stop: stop}
		t.done.Go(func() {
			t.play(ctx, in)
			stop()
			_ = cmd.Wait() // it was told to end
		})
		return t
	}
	return nil
}

func (t *pcmTone) set(hz float64) { t.hz.Store(math.Float64bits(hz)) }

func (t *pcmTone) name() string {
	if t.failed.Load() {
		return t.program + " ended: no sound"
	}
	return t.program
}

func (t *pcmTone) close() {
	t.stop()
	t.done.Wait()
}

// play writes samples until ctx ends or the program does.
func (t *pcmTone) play(ctx context.Context, w io.WriteCloser) {
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.Close() })()
	var o oscillator
	block := make([]byte, 2*blockFrames)
	for ctx.Err() == nil {
		o.fill(block, math.Float64frombits(t.hz.Load()))
		if _, err := w.Write(block); err != nil {
			t.failed.Store(ctx.Err() == nil)
			return
		}
	}
}

// oscillator makes a tone whose pitch and loudness change without a click.
type oscillator struct {
	phase, hz, level float64
}

// fill writes samples of a tone that goes to hz (0: to silence).
func (o *oscillator) fill(block []byte, hz float64) {
	level := loudness
	if hz <= 0 {
		hz, level = o.hz, 0
	}
	if o.hz == 0 {
		o.hz = hz
	}
	for i := 0; i+1 < len(block); i += 2 {
		o.hz += (hz - o.hz) * glide
		o.level += (level - o.level) * glide
		o.phase = math.Mod(o.phase+o.hz/sampleRate, 1)
		sample := int16(o.level * math.MaxInt16 * math.Sin(2*math.Pi*o.phase))
		binary.LittleEndian.PutUint16(block[i:], uint16(sample))
	}
}
