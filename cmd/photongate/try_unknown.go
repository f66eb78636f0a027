package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/recording"
	"photongate/device/trial"
	"photongate/device/unknown"
)

const (
	// sendAfter is how long an unknown instrument is listened to before anything
	// is sent, at most.
	sendAfter = time.Second
	// keptUnknown bounds the bytes that are looked at.
	keptUnknown = 4 << 20
)

// attempt is what came at one baud rate, and its recording.
type attempt struct {
	unknown.Attempt
	file     bytes.Buffer
	about    recording.About
	listened time.Duration
}

// unknown listens to an instrument nobody has named, and says what its bytes
// look like.
func (f *tryFlags) unknown(ctx context.Context, out io.Writer) error {
	text, err := unescape(f.send)
	if err != nil {
		return err
	}
	rates, why, err := f.rates()
	if err != nil {
		return err
	}
	save, err := f.create()
	if err != nil {
		return err
	}
	if why != "" {
		fmt.Fprintln(out, why)
	}
	var attempts []*attempt
	for _, baud := range rates {
		a, err := f.listen(ctx, out, baud, text, len(attempts) == 0)
		if a == nil && len(attempts) > 0 { // not every port can be set to every rate
			fmt.Fprintf(out, "at %d baud: %v\n", baud, err)
			continue
		}
		if err != nil {
			return errors.Join(err, f.remove(save))
		}
		attempts = append(attempts, a)
		if ctx.Err() != nil || a.Enough() {
			break
		}
	}
	best := chooseRate(out, attempts, len(rates) > 1)
	if save != nil {
		_, err = save.Write(best.file.Bytes())
	}
	printFindings(out, best.Report, f.port)
	return f.verdict(best.Report.Looks != unknown.Silent, save, err)
}

// rates returns the baud rates to try, and a sentence when the choice needs one.
func (f *tryFlags) rates() (rates []int, why string, err error) {
	if f.baud != "auto" {
		baud, err := strconv.Atoi(f.baud)
		if err != nil || baud <= 0 {
			return nil, "", cli.Wrong("--baud %s: expected a number such as 9600, or auto", f.baud)
		}
		return []int{baud}, "", nil
	}
	if matters, why := rateMatters(f.port); !matters {
		return unknown.BaudRates[:1], why, nil
	}
	return unknown.BaudRates[:], "", nil
}

// unescape reads \r, \n and the like in what is to be sent.
func unescape(text string) (string, error) {
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		return "", cli.Wrong(`--send %q: a backslash begins \r, \n, \t, \\ or \x and two hexadecimal digits`, text)
	}
	return s, nil
}

// listen opens the port at one rate and shows what comes; first says that it is
// the first rate. It returns nil when the port could not be opened.
func (f *tryFlags) listen(ctx context.Context, out io.Writer, baud int, text string, first bool) (_ *attempt, err error) {
	clock := newClock()
	line := device.Line{Baud: baud}
	port, err := openPort(ctx, f.port, line, clock)
	if err != nil {
		return nil, err
	}
	a := &attempt{about: f.about(unknownDriver, line)}
	a.Baud = baud
	printUnknownHeading(out, a.about, text, first)
	var now int64
	port = recording.Record(port, &a.file, func() int64 { return now }, 0, a.about)
	defer func() { err = errors.Join(err, port.Close()) }()
	keep := func(sent bool, at int64, b []byte) error {
		now = at
		e := device.Exchange{Sent: sent, At: time.Duration(at), Bytes: bytes.Clone(b)}
		a.Talk = append(a.Talk, e)
		return trial.ShowExchange(out, e)
	}
	send := int64(min(sendAfter, f.duration/4))
	buf := make([]byte, 4096)
	for kept := 0; now < int64(f.duration) && ctx.Err() == nil && kept < keptUnknown; {
		if text != "" && now >= send {
			at, err := port.Write([]byte(text))
			if err != nil {
				return a, err
			}
			if err := keep(true, at, []byte(text)); err != nil {
				return a, err
			}
			text = ""
		}
		wait := int64(f.duration) - now
		if text != "" {
			wait = max(send-now, 0)
		}
		n, at, err := port.Read(buf, min(time.Duration(wait), device.MaxWait))
		if now = max(now, at); errors.Is(err, device.ErrTimeout) {
			continue
		}
		if err != nil {
			fmt.Fprintf(out, "after %.3f s the port failed: %v\n", time.Duration(now).Seconds(), err)
			break
		}
		kept += n
		if err := keep(false, at, buf[:n]); err != nil {
			return a, err
		}
	}
	a.listened = time.Duration(now)
	a.Report = unknown.Examine(a.Talk, a.listened, all.Named())
	return a, nil
}

// chooseRate says what came at each of several rates, and which of them makes
// most sense.
func chooseRate(out io.Writer, attempts []*attempt, several bool) *attempt {
	if !several || len(attempts) == 1 && attempts[0].Report.Looks == unknown.Silent {
		return attempts[0]
	}
	var list []unknown.Attempt
	for _, a := range attempts {
		fmt.Fprintf(out, "at %d baud: %d bytes, %s\n", a.Baud, len(device.Received(a.Talk)), a.Report.Looks)
		list = append(list, a.Attempt)
	}
	best, clearly := unknown.Best(list)
	if clearly {
		fmt.Fprintf(out, "looks like %d baud: of the rates tried it makes most sense\n", best.Baud)
	} else {
		fmt.Fprintf(out, "no baud rate makes clearly more sense than the others; this is what came at %d\n", best.Baud)
	}
	for _, a := range attempts {
		if a.Baud == best.Baud {
			return a
		}
	}
	return attempts[0]
}

// examineRecording looks at a recording; it reports whether anything came.
func examineRecording(out io.Writer, rec *recording.Recording) bool {
	talk := rec.Exchanges()
	sent := ""
	for _, e := range talk {
		if e.Sent {
			sent = string(e.Bytes)
			break
		}
	}
	printUnknownHeading(out, rec.About, sent, true)
	for _, e := range talk {
		if err := trial.ShowExchange(out, e); err != nil {
			return false
		}
	}
	r := unknown.Examine(talk, rec.End(), all.Named())
	printFindings(out, r, rec.About.Port)
	return r.Looks != unknown.Silent
}

func printUnknownHeading(out io.Writer, a recording.About, send string, first bool) {
	sending := "nothing is sent"
	if send != "" {
		sending = "sent after a while: " + device.ShowBytes([]byte(send))
	}
	if first && a.Software != "" {
		fmt.Fprintf(out, "%s, %s, %s\n", a.Software, a.System, a.Began.UTC().Format("2006-01-02 15:04:05Z"))
	}
	fmt.Fprintf(out, "unknown instrument on %s (%s) at %s, for %v; %s\n", a.Port, a.PortKind, a.Line, a.For, sending)
	fmt.Fprintln(out, "seconds, < from the instrument or > to it, bytes")
}

// printFindings says what the bytes look like and what to do next.
func printFindings(out io.Writer, r unknown.Report, port string) {
	fmt.Fprintln(out, "what it looks like:")
	for _, s := range r.Findings {
		fmt.Fprintf(out, "  %s\n", s)
	}
	fmt.Fprintln(out, "next:")
	for _, s := range nextSteps(r, port) {
		fmt.Fprintf(out, "  %s\n", s)
	}
}

func nextSteps(r unknown.Report, port string) []string {
	switch {
	case r.Looks == unknown.Silent:
		return []string{
			"is it switched on, counting, and are its data line and this computer's crossed as they must be?",
			`it may speak only when asked. Its manual says how; then for example: --send 'c\r'. Sending may change its settings`,
			"the baud rate is no cause of silence: at a wrong one there would be nonsense",
			"it may send seldom: listen longer with --for 2m",
		}
	case r.Driver != "":
		return []string{fmt.Sprintf("photongate try %s --port %s", r.Driver, port)}
	}
	steps := []string{"keep the bytes with --save FILE and send the file, with the name of the instrument and what its display or program shows at the same time (CONTRIBUTING.md says how): that is what a driver is made from"}
	if r.Looks == unknown.Binary {
		steps = append(steps, "it may be another baud rate: name the one in its manual with --baud")
	}
	return steps
}
