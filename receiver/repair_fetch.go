package receiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	repairCredit = 256 << 10        // bytes of a hole that a gateway may send ahead
	repairSilent = 60 * time.Second // without a frame of a hole: the gateway hangs
)

// openWay finds how to come by sessions with the gateway. One that dials in must be
// that of a folder.
func (r *repairer) openWay(ctx context.Context, paths []string) (*way, error) {
	want := wanted{address: r.o.Address}
	for _, path := range paths {
		folder, err := journal.OpenFolder(r.o.FS, path)
		if err != nil {
			return nil, err
		}
		want.folders = append(want.folders, wantedOf{folder.ID(), folder.Gateway()})
	}
	return openWay(ctx, want, &ConnectOptions{Software: r.o.Software, Token: r.o.Token, Dial: r.o.Dial, Listen: r.o.Listen, OpenListener: r.o.OpenListener, Log: r.o.Log})
}

// connect opens or awaits a session. It must be with the gateway that it was with
// before.
func (r *repairer) connect(ctx context.Context) error {
	r.disconnect()
	client, err := r.way.connect(ctx, "", firstVisit)
	if err != nil {
		return err
	}
	hello := client.Hello()
	if !r.hello.ID.IsZero() && hello.ID != r.hello.ID {
		return errors.Join(fmt.Errorf("%s is another gateway than a moment ago: its journal is %.8s, it was %.8s", r.o.Address, hello.ID, r.hello.ID), client.Close())
	}
	r.client, r.views, r.hello, r.report.Gateway = client, 0, hello, hello.Name
	return nil
}

func (r *repairer) disconnect() {
	if r.client != nil {
		_ = r.client.Close() // its error is always nil
		r.client = nil
	}
}

// subscribe asks for a view, over a new session where the present one has enough
// of them.
func (r *repairer) subscribe(ctx context.Context, ask protocol.Subscribe) (*View, error) {
	if r.client == nil || r.views >= maxViews-1 {
		if err := r.connect(ctx); err != nil {
			return nil, err
		}
	}
	r.views++
	return r.client.Subscribe(ask)
}

// compare asks whether the gateway has the last frames that the folder holds, as
// a recording does when it goes on. errDiverged says that it has others.
func (r *repairer) compare(ctx context.Context, f *lackingFolder) error {
	ask := protocol.Subscribe{From: protocol.FromCursor, Rest: protocol.FromNow, Credit: 1}
	for stream, c := range f.last {
		ask.Streams, ask.Cursors = append(ask.Streams, stream), append(ask.Cursors, c)
	}
	if len(ask.Cursors) == 0 {
		return nil
	}
	v, err := r.subscribe(ctx, ask)
	if err != nil {
		return err
	}
	answer, err := awaitAnswer(ctx, v)
	if err != nil {
		return err
	}
	for _, a := range answer.Streams {
		if err := fitsArchive(f, &a); err != nil {
			return err
		}
		last := f.last[a.Name]
		if n := a.Newest; n != nil && !f.fetchesEnd(a.Name, n.Epoch) && (n.Epoch > last.Epoch || n.Epoch == last.Epoch && n.Seq > last.Seq) {
			r.note("%s has more of %s than the recording, behind its end: photonrecv record fetches it", r.hello.Name, a.Name)
		}
	}
	return nil
}

// fetchesEnd reports whether a lack goes on to the end that the gateway has of a part.
func (f *lackingFolder) fetchesEnd(stream string, epoch uint32) bool {
	return slices.ContainsFunc(f.lacks, func(l *lack) bool { return l.open && l.stream.Name == stream && l.epoch == epoch })
}

// fitsArchive reports whether an answer is that of the journal a folder is of.
func fitsArchive(f *lackingFolder, a *protocol.SubscribedStream) error {
	for _, s := range f.folder.Streams() {
		if s.Name == a.Name && s.ID != a.ID {
			return fmt.Errorf("%w: stream %s has the number %d there, %d here", errDiverged, a.Name, a.ID, s.ID)
		}
	}
	switch a.Answer {
	case protocol.AnswerDiverged:
		return fmt.Errorf("%w: stream %s: the gateway's journal was put back to an earlier state, or copied", errDiverged, a.Name)
	case protocol.AnswerUnknownJournal:
		return fmt.Errorf("%w: stream %s: the gateway never had part %d: its journal was put back to an earlier state", errDiverged, a.Name, f.last[a.Name].Epoch)
	}
	return nil
}

// awaitAnswer waits for what a gateway says to a subscription.
func awaitAnswer(ctx context.Context, v *View) (*protocol.Subscribed, error) {
	ctx, cancel := context.WithTimeout(ctx, repairSilent)
	defer cancel()
	for {
		frames, err := v.Next(ctx)
		if err != nil {
			return nil, err
		}
		var answer *protocol.Subscribed
		err = forEachFrame(frames, func(h protocol.Header, payload []byte) error {
			if h.Type != protocol.TypeSubscribed || answer != nil {
				return nil
			}
			answer = &protocol.Subscribed{}
			return protocol.DecodeJSON(payload, answer)
		})
		if err != nil || answer != nil {
			return answer, err
		}
	}
}

// filling is one lack that is being filled.
type filling struct {
	r      *repairer
	f      *lackingFolder
	l      *lack
	result RepairedHole
	want   uint64          // all before was given, or is known not to come
	at     protocol.Cursor // the last frame known, to ask from
	patch  *patch          // nil: none is open
	sealed uint64          // up to here files that were written cover the lack
	copies [][]byte        // for the begin of files
	newest *protocol.Extent
	over   string // why nothing more comes; empty: it may
	known  uint64 // of an open lack: how far it reaches at least
	asked  bool   // the gateway said how far it reaches
}

// endless is where an open lack ends of which the gateway says only that the stream
// went on in a later part: it ends where that begins.
const endless = 1<<64 - 2

// fill fetches one lack and writes what comes. Lost sessions are made again.
func (r *repairer) fill(ctx context.Context, f *lackingFolder, l *lack) error {
	g := &filling{r: r, f: f, l: l, result: l.result(f, l.to+1, ""), want: l.from, at: l.before, sealed: l.from - 1, known: l.to}
	g.copies = r.context(f, l)
	defer g.finish()
	for tries := 0; g.want <= l.to && g.over == ""; tries++ {
		had := g.want
		err := g.session(ctx)
		if errSeal := g.settle(); errSeal != nil {
			g.over = "they could not be written"
			return errSeal
		}
		if had < g.want {
			tries = 0
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			g.over = "the repair was ended before they came"
			return ctx.Err()
		case tries >= repairTries || !MayRecover(err) && !errors.Is(err, context.DeadlineExceeded):
			g.over = "the repair ended before they came: " + err.Error()
			return err
		default:
			r.disconnect()
			sleep(ctx, repairPause<<tries)
		}
	}
	return nil
}

// context finds frames that a file in the middle of an epoch needs to stand
// alone: the descriptor, and a clock frame that another file of it has.
func (r *repairer) context(f *lackingFolder, l *lack) [][]byte {
	var descriptor, clock []byte
	for _, c := range preambleCopies(r.o.FS, filepath.Join(f.folder.Dir(), l.stream.Name), l.epoch) {
		switch h, err := protocol.ParseHeader(c); {
		case err != nil:
		case h.Type == protocol.TypeDescriptor && h.Stream == l.stream.ID && h.Epoch == l.epoch:
			descriptor = c
		case h.Type == protocol.TypeClock:
			clock = c
		}
	}
	if held, ok := heldFrame(f.folder, l.stream.Name, l.epoch, 1); ok {
		descriptor = held
	}
	return slices.DeleteFunc([][]byte{descriptor, clock}, func(c []byte) bool { return c == nil })
}

// described reports whether the epoch's descriptor is known.
func (g *filling) described() bool {
	return slices.ContainsFunc(g.copies, func(c []byte) bool {
		h, err := protocol.ParseHeader(c)
		return err == nil && h.Type == protocol.TypeDescriptor
	})
}

// describe keeps the epoch's descriptor for the begin of files.
func (g *filling) describe(h protocol.Header, frame []byte) {
	if h.Type == protocol.TypeDescriptor && h.Stream == g.l.stream.ID && h.Epoch == g.l.epoch && !g.described() {
		g.copies = append(g.copies, slices.Clone(frame))
	}
}

// finish enters the lack in the report.
func (g *filling) finish() {
	if g.patch != nil { // of an open lack, and whether all came is not known
		g.undo()
	}
	if g.l.to == endless {
		g.reach(max(g.known, g.want))
	}
	g.result.To = protocol.Uint64(g.l.to)
	if g.want <= g.l.to {
		g.result.leave(g.want, g.l.to, "%s", g.over)
	}
	g.r.report.Holes = append(g.r.report.Holes, g.result)
}

// session fetches over one subscription, until nothing more of the lack comes or
// the session is lost.
func (g *filling) session(ctx context.Context) error {
	v, err := g.r.subscribe(ctx, protocol.Subscribe{Streams: []string{g.l.stream.Name}, From: protocol.FromCursor, Cursors: []protocol.Cursor{g.at}, Credit: repairCredit})
	if err != nil {
		return err
	}
	for g.want <= g.l.to && g.over == "" {
		wait, cancel := context.WithTimeout(ctx, repairSilent)
		frames, err := v.Next(wait)
		cancel()
		if err != nil {
			return err
		}
		for len(frames) > 0 && g.over == "" {
			h, err := protocol.ParseHeader(frames)
			if err != nil {
				return err
			}
			if err := g.take(h, frames[:h.FrameLen()]); err != nil {
				return err
			}
			frames = frames[h.FrameLen():]
		}
		g.progress()
	}
	return nil
}

func (g *filling) progress() {
	if show := g.r.o.OnProgress; show != nil {
		show(RepairProgress{Stream: g.result.Stream, Part: g.l.epoch, Frames: uint64(max(g.r.report.Frames, g.r.report.Came)), Came: uint64(g.r.report.Came)})
	}
}

// take handles one frame of the view.
func (g *filling) take(h protocol.Header, frame []byte) error {
	payload := frame[h.HeaderLen:]
	switch h.Type {
	case protocol.TypeSubscribed:
		return g.answered(payload)
	case protocol.TypeCopy:
		inner, _, rest, err := protocol.ParseFrame(payload)
		if err == nil && len(rest) == 0 {
			g.describe(inner, payload)
		}
		return nil
	case protocol.TypeSkip, protocol.TypeFinished:
		g.over = fmt.Sprintf("%s ended the view before they came: repair again", g.r.hello.Name)
		return nil
	}
	if !h.Type.Stored() {
		return nil
	}
	switch {
	case h.Stream != g.l.stream.ID:
		return &damagedFrame{fmt.Errorf("%w: a frame of stream %d, which was not asked for", protocol.ErrFormat, h.Stream)}
	case h.Epoch < g.l.epoch:
		return nil
	case h.Epoch > g.l.epoch || h.Seq > g.l.to:
		g.behind()
		return nil
	case h.Type == protocol.TypeHole:
		return g.lacksToo(h, payload)
	case h.Seq < g.want:
		return nil
	case h.Seq > g.want:
		return &damagedFrame{fmt.Errorf("%w: frame %d of part %d where %d was expected", protocol.ErrFormat, h.Seq, h.Epoch, g.want)}
	}
	return g.store(h, frame)
}

// behind takes a frame that lies behind the lack: the gateway has nothing more
// of it.
func (g *filling) behind() {
	switch {
	case g.want > g.l.to:
	case g.l.to == endless && g.want > g.known:
		g.reach(g.want - 1)
	case g.want == 1:
		g.over = g.r.hello.Name + " has nothing of this part any more"
	default:
		g.over = fmt.Sprintf("%s has no more of this part: it ends there with frame %d", g.r.hello.Name, g.want-1)
	}
}

// answered takes the gateway's answer to the cursor.
func (g *filling) answered(payload []byte) error {
	var m protocol.Subscribed
	if err := protocol.DecodeJSON(payload, &m); err != nil {
		return &damagedFrame{err}
	}
	for _, a := range m.Streams {
		if a.Name != g.l.stream.Name {
			continue
		}
		if err := fitsArchive(g.f, &a); err != nil {
			g.over = "the gateway's record is another one: " + err.Error()
			g.r.report.Damage = append(g.r.report.Damage, fmt.Sprintf("%s: %v", g.f.folder.Dir(), err))
			return nil
		}
		g.newest = a.Newest
		g.extend()
		if a.Answer == protocol.AnswerAhead {
			g.over = g.r.hello.Name + " never had them on its disk: this archive had more of the part than it"
		}
		g.lookForEnd()
		return nil
	}
	g.over = fmt.Sprintf("%s has no stream %s", g.r.hello.Name, g.l.stream.Name)
	return nil
}

// extend has an open lack reach to where the gateway has the part, as it says first.
func (g *filling) extend() {
	n := g.newest
	if !g.l.open || g.asked || n == nil {
		return
	}
	g.asked = true
	switch {
	case n.Epoch > g.l.epoch:
		g.l.to = endless
	case n.Epoch == g.l.epoch:
		g.reach(max(g.l.to, uint64(n.Seq)))
	}
}

// reach says how far an open lack reaches.
func (g *filling) reach(to uint64) {
	g.r.report.Frames += protocol.Uint64(to) - (g.result.To)
	g.l.to, g.result.To = to, protocol.Uint64(to)
}

// settle puts what came among the files. Of an open lack it is noted before how far
// it reaches: as soon as a file of the part is there, only the note tells that
// another one is missing.
func (g *filling) settle() error {
	switch {
	case !g.l.open:
	case g.want > g.l.to:
		if err := g.note(g.l.to, false); err != nil {
			return err
		}
	case g.patch == nil:
	case g.l.to < endless:
		if err := g.note(g.want, true); err != nil {
			return err
		}
	case g.want > g.known:
		return nil // nobody knows whether more follows
	}
	return g.seal()
}

// note notes how far the part of an open lack goes, or that it goes so far at least.
func (g *filling) note(seq uint64, open bool) error {
	if g.r.o.DryRun {
		return nil
	}
	if err := journal.NoteEnd(g.r.o.FS, g.f.folder.Dir(), g.l.stream.Name, g.l.epoch, seq, open); err != nil {
		g.undo()
		return fmt.Errorf("repair %s: %w", g.f.folder.Dir(), err)
	}
	return nil
}

// lookForEnd finds out whether the gateway has given all that it has.
func (g *filling) lookForEnd() {
	if g.want > g.l.to || g.over != "" {
		return
	}
	if n := g.newest; n == nil || n.Epoch < g.l.epoch || n.Epoch == g.l.epoch && uint64(n.Seq) < g.want {
		g.over = g.r.hello.Name + " does not have them"
	}
}

// lacksToo takes a hole: the gateway does not have these frames either.
func (g *filling) lacksToo(h protocol.Header, payload []byte) error {
	var hole protocol.Hole
	if err := protocol.DecodeJSON(payload, &hole); err != nil {
		return &damagedFrame{err}
	}
	to := min(uint64(hole.To), g.l.to)
	if h.Seq > g.want || uint64(hole.To) < h.Seq {
		return &damagedFrame{fmt.Errorf("%w: a hole of frames %d to %d of part %d where %d was expected", protocol.ErrFormat, h.Seq, hole.To, h.Epoch, g.want)}
	}
	if to < g.want {
		return nil
	}
	why := g.r.hello.Name + " does not have them either: " + hole.Cause
	if hole.Detail != "" {
		why += ", " + hole.Detail
	}
	g.result.leave(g.want, to, "%s", why)
	g.want = to + 1
	g.lookForEnd()
	return nil
}

// store writes a frame that was missing.
func (g *filling) store(h protocol.Header, frame []byte) error {
	if !g.r.o.DryRun {
		if err := g.write(h, frame); err != nil {
			g.undo()
			return fmt.Errorf("repair %s: %w", g.f.folder.Dir(), err)
		}
	}
	g.describe(h, frame)
	g.want = h.Seq + 1
	g.at.Seq, g.at.CRC = protocol.Uint64(h.Seq), protocol.CRC(h.HeaderCRC)
	g.result.Came++
	g.r.report.Came++
	g.lookForEnd()
	return nil
}

func (g *filling) write(h protocol.Header, frame []byte) error {
	if g.patch != nil && g.patch.size >= cmp.Or(g.r.o.fileBytes, repairFileBytes) {
		if g.l.open { // this frame follows
			if err := g.note(h.Seq, true); err != nil {
				return err
			}
		}
		if err := g.seal(); err != nil {
			return err
		}
	}
	if g.patch == nil {
		p, err := beginPatch(g.r.o.FS, g.f.folder, g.l, g.sealed+1, g.copies)
		if err != nil {
			return err
		}
		g.patch = p
	}
	return g.patch.put(h, frame)
}

// undo throws away the open file, which could not be written, and all that is
// known of what was in it.
func (g *filling) undo() {
	if p := g.patch; p != nil {
		_ = p.discard() // what is left of it is removed by the next repair
		g.result.Came -= protocol.Uint64(p.frames)
		g.r.report.Came -= protocol.Uint64(p.frames)
		g.patch = nil
	}
	g.want = g.sealed + 1
	g.result.Left = slices.DeleteFunc(g.result.Left, func(l LeftMissing) bool { return uint64(l.To) >= g.want })
}

// seal puts the open file, if there is one, among the others.
func (g *filling) seal() error {
	p := g.patch
	if p == nil {
		return nil
	}
	upTo := p.next - 1
	name, err := p.seal()
	if err != nil {
		g.undo()
		return fmt.Errorf("repair %s: %w", g.f.folder.Dir(), err)
	}
	g.patch, g.sealed = nil, upTo
	g.r.report.Files = append(g.r.report.Files, filepath.Join(g.l.stream.Name, filepath.Base(name)))
	return nil
}
