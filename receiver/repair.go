package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

// RepairOptions say which holes of a folder of recordings to fill, and from
// where.
type RepairOptions struct {
	Dir        string   // the folder, as Verify takes it
	Address    string   // of the gateway, as ParseAddress takes it, or the name of a pairing; with Listen it may be empty: whichever the folder is of
	Listen     []string // where to wait for it, which dials this computer, as ConnectOptions.Listen; none: it is dialled
	Streams    []string // patterns of stream, or gateway/stream; none: all
	Unrecorded bool     // also what the archive never asked for, which is no hole
	DryRun     bool     // fetch, and write nothing

	Token    []byte // shown to the gateway; empty: none
	Software string // "photonrecv 0.1.0"
	// OnProgress is called from the goroutine of Repair. It must return soon. nil: not.
	OnProgress func(RepairProgress)

	Dial         Dialer         // connects to host:port; nil: TCP
	OpenListener Listener       // nil: TCP
	Log          zerolog.Logger // says what is waited for, and who is turned away
	FS           journal.FS     // where the folder is; nil: the operating system's

	fileBytes int64 // about how long a file of a repair gets; 0: repairFileBytes
}

// RepairProgress is how far a repair is.
type RepairProgress struct {
	Stream string // gateway/stream
	Part   uint32
	Frames uint64 // that are missing in all
	Came   uint64 // of these
}

// RepairReport says what a repair gave. In JSON, 64-bit integers are decimal
// strings.
type RepairReport struct {
	Folder  string          `json:"folder"`
	Gateway string          `json:"gateway"`
	DryRun  bool            `json:"dry_run,omitempty"`
	State   State           `json:"state"`  // Whole: all holes are filled; Damaged: a folder cannot be read, or the gateway's record is another one
	Frames  protocol.Uint64 `json:"frames"` // that were missing
	Came    protocol.Uint64 `json:"came"`   // of these, from the gateway
	Holes   []RepairedHole  `json:"holes"`
	Files   []string        `json:"files,omitempty"`  // written
	Remade  []string        `json:"remade,omitempty"` // journal.json of folders, made anew from their files
	Damage  []string        `json:"damage,omitempty"` // sentences
	Notes   []string        `json:"notes,omitempty"`  // sentences that are worth knowing
}

// RepairedHole is one stretch of frames that was missing.
type RepairedHole struct {
	Stream string          `json:"stream"` // gateway/stream
	Folder string          `json:"folder"` // of the gateway's journal
	Part   uint32          `json:"part"`
	From   protocol.Uint64 `json:"from"` // first and last frame
	To     protocol.Uint64 `json:"to"`
	Cause  string          `json:"cause"` // several are joined by commas
	Came   protocol.Uint64 `json:"came"`  // frames
	Left   []LeftMissing   `json:"left,omitempty"`
}

// LeftMissing is what of a hole did not come, and why.
type LeftMissing struct {
	From protocol.Uint64 `json:"from"`
	To   protocol.Uint64 `json:"to"`
	Why  string          `json:"why"`
}

// Repair fetches what a folder of recordings lacks and the gateway still has,
// and writes it into further files beside those that are there, which stay as
// they are. Only holes are filled: what was measured since the recording ended
// is fetched by Record. It may be ended at any moment and be called again.
//
// All files are read, also those that an earlier Verify read. Nobody may record
// into the folder meanwhile; the error names who does. Errors
// that satisfy ErrUsage are the user's to mend. What the gateway does not have,
// and the end of ctx, are no errors: the report says it. With an error the report
// says how far it came.
func Repair(ctx context.Context, o RepairOptions) (RepairReport, error) {
	if err := checkPatterns(o.Streams); err != nil {
		return RepairReport{}, usage{err}
	}
	paths, err := findFolders(o.Dir)
	if err != nil {
		return RepairReport{}, err
	}
	if err := checkStreams(paths, o.Streams); err != nil {
		return RepairReport{}, err
	}
	return repairFolders(ctx, o, paths)
}

// repairFolders is Repair of journal folders that were found.
func repairFolders(ctx context.Context, o RepairOptions, paths []string) (report RepairReport, err error) {
	if o.FS == nil {
		o.FS = journal.OS{}
	}
	r := &repairer{o: &o, report: RepairReport{Folder: o.Dir, State: Whole, DryRun: o.DryRun, Holes: []RepairedHole{}}}
	if !o.DryRun {
		unlock, err := lockForRepair(o.FS, o.Dir, paths)
		if err != nil {
			return r.report, err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	if r.way, err = r.openWay(ctx, paths); err != nil {
		return r.report, err
	}
	defer r.way.end()
	defer r.disconnect()
	if err := r.connect(ctx); err != nil {
		return r.report, err
	}
	folders, err := r.choose(ctx, paths)
	if err != nil {
		return r.report, err
	}
	for _, f := range folders {
		if err = r.repair(ctx, f); err != nil {
			break
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		r.note("ended before it was done: what came is kept, and repairing again goes on")
		err = nil
	}
	r.judge(folders)
	return r.report, err
}

// repairer is one repair. One goroutine.
type repairer struct {
	o      *RepairOptions
	way    *way // to the gateway
	report RepairReport

	hello  protocol.Hello // of the gateway
	client *Client        // nil: there is no session
	views  int            // subscriptions of the session
}

// lockForRepair keeps recordings out of the folders while they are repaired, and
// refuses while one goes on.
func lockForRepair(fsys journal.FS, dir string, paths []string) (unlock func() error, err error) {
	var held []io.Closer
	unlock = func() error {
		var errs []error
		for _, l := range slices.Backward(held) {
			errs = append(errs, l.Close())
		}
		return errors.Join(errs...)
	}
	var names []string
	for _, at := range []string{dir, filepath.Dir(filepath.Clean(dir))} {
		if _, err := fsys.Stat(filepath.Join(at, archiveFile)); err == nil {
			names = append(names, filepath.Join(at, archiveLock))
			break
		}
	}
	for _, path := range paths {
		names = append(names, filepath.Join(path, journalLock))
	}
	for _, name := range names {
		lock, err := fsys.Lock(name)
		if err != nil {
			return nil, errors.Join(inUse(dir, name, err), unlock())
		}
		held = append(held, lock)
	}
	return unlock, nil
}

// inUse says who holds a lock, and what to do.
func inUse(dir, name string, err error) error {
	locked, ok := errors.AsType[*journal.LockedError](err)
	if !ok {
		return fmt.Errorf("repair %s: lock %s: %w", dir, name, err)
	}
	who := "another photonrecv"
	if locked.PID > 0 {
		who += fmt.Sprintf(" (process id %d)", locked.PID)
	}
	return usage{fmt.Errorf("%s records into %s, or repairs it: end it with Ctrl-C, or wait until it is done, and repair then; --dry-run may be run meanwhile: %w", who, dir, journal.ErrLocked)}
}

// choose finds the folders of the gateway's journal, and what they lack.
func (r *repairer) choose(ctx context.Context, paths []string) ([]*lackingFolder, error) {
	var chosen []*lackingFolder
	var others []string
	for _, path := range paths {
		folder, err := journal.OpenFolder(r.o.FS, path)
		if err != nil {
			return nil, err
		}
		switch {
		case folder.Place() == journal.InJournal:
			return nil, usage{fmt.Errorf("%s is a gateway's own journal: repair fills recordings, as photonrecv record makes them", path)}
		case folder.ID() != r.hello.ID:
			others = append(others, fmt.Sprintf("%s (journal %.8s)", filepath.Base(path), folder.ID()))
			continue
		}
		if folder, err = r.remake(folder); err != nil {
			return nil, err
		}
		f, err := r.lacking(ctx, folder)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, f)
	}
	switch {
	case len(chosen) == 0:
		return nil, usage{fmt.Errorf("%s holds nothing of the gateway at %s, which is %s with the journal %.8s: there are %s; nothing was written",
			r.o.Dir, r.o.Address, r.hello.Name, r.hello.ID, strings.Join(others, ", "))}
	case len(others) > 0:
		r.note("not looked at, being of other gateways: %s", strings.Join(others, ", "))
	}
	return chosen, nil
}

func (r *repairer) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// remake makes journal.json of a folder anew where it is missing or damaged.
func (r *repairer) remake(folder *journal.Folder) (*journal.Folder, error) {
	if folder.Note() == nil || r.o.DryRun {
		return folder, nil
	}
	var own archiveIdentity
	for _, at := range []string{r.o.Dir, filepath.Dir(folder.Dir())} {
		var err error
		if own, _, err = readIdentity(r.o.FS, at); err == nil {
			break
		}
	}
	wrong, err := journal.RemakeMeta(r.o.FS, folder.Dir(), own.Archive)
	if err != nil {
		return nil, err
	}
	r.report.Remade = append(r.report.Remade, filepath.Join(folder.Dir(), "journal.json"))
	r.note("%s; made anew from what the files in the folder say of themselves", wrong)
	return journal.OpenFolder(r.o.FS, folder.Dir())
}

// repair fills the holes of one folder.
func (r *repairer) repair(ctx context.Context, f *lackingFolder) error {
	if len(f.lacks) == 0 {
		return nil
	}
	err := r.compare(ctx, f)
	if errors.Is(err, errDiverged) {
		r.report.Damage = append(r.report.Damage, fmt.Sprintf("%s: %v; nothing was written into it", f.folder.Dir(), err))
		for _, l := range f.lacks {
			r.report.Holes = append(r.report.Holes, l.result(f, l.from, "the gateway's record is another one"))
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range f.lacks {
		if err := r.fill(ctx, f, l); err != nil {
			return err
		}
	}
	return nil
}

// judge gives the report its outcome.
func (r *repairer) judge(folders []*lackingFolder) {
	if r.report.Came < r.report.Frames {
		r.report.State = Incomplete
	}
	for _, f := range folders {
		r.report.Damage = append(r.report.Damage, f.trouble...)
		if f.unrecorded > 0 {
			r.note("%s: %s never asked for, as of what was measured before the recording began, are no holes: --unrecorded fetches them too", f.folder.Dir(), pluralWere(f.unrecorded, "frame"))
		}
	}
	if len(r.report.Damage) > 0 {
		r.report.State = Damaged
	}
	if len(r.report.Files) > 0 && slices.ContainsFunc(folders, func(f *lackingFolder) bool { return hasCSV(r.o.FS, f.folder.Dir()) }) {
		r.note("CSV files written earlier are as they were: write them anew with photonrecv cat %s --out FOLDER", r.o.Dir)
	}
}

// hasCSV reports whether CSV files of readings stand in a folder.
func hasCSV(fsys journal.FS, dir string) bool {
	entries, err := fsys.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), ".csv") && e.Name() != clockFile
	})
}

func pluralWere(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " that was"
	}
	return plural(n, what) + " that were"
}

// ExitCode is 0 when all holes are filled, 1 when something is still missing, 3
// when a folder cannot be read or the gateway's record is another one.
func (r *RepairReport) ExitCode() int {
	return (&Report{State: r.State}).ExitCode()
}

// WriteText writes the report for people.
func (r *RepairReport) WriteText(w io.Writer) error {
	b := &strings.Builder{}
	for _, h := range r.Holes {
		fmt.Fprintf(b, "%s, part %d, frames %d to %d (%s): %s of %s came\n", h.Stream, h.Part, h.From, h.To, h.Cause,
			grouped(uint64(h.Came)), grouped(uint64(h.To-h.From+1)))
		for _, l := range h.Left {
			fmt.Fprintf(b, "  still missing: frames %d to %d: %s\n", l.From, l.To, l.Why)
		}
	}
	for _, d := range r.Damage {
		fmt.Fprintf(b, "damage: %s\n", d)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", n)
	}
	fmt.Fprintln(b, r.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict is what the last line says.
func (r *RepairReport) verdict() string {
	if len(r.Holes) == 0 && len(r.Remade) > 0 {
		return "repaired: made anew " + strings.Join(r.Remade, ", ") + "; no frame is missing of what was recorded"
	}
	if len(r.Holes) == 0 && len(r.Damage) > 0 {
		return "no frame is missing of what was recorded; the damage above is not mended"
	}
	if len(r.Holes) == 0 {
		return "nothing to repair: no frame is missing of what was recorded; what was measured since is fetched by photonrecv record"
	}
	all := fmt.Sprintf("%s of %s", grouped(uint64(r.Came)), plural(uint64(r.Frames), "missing frame"))
	came := "came from " + r.Gateway
	if r.DryRun {
		came = "can come from " + r.Gateway + "; nothing was written"
	}
	switch {
	case r.Came == r.Frames && r.DryRun:
		return "can be filled: " + all + " " + came
	case r.Came == r.Frames:
		return "filled: " + all + " " + came
	}
	return fmt.Sprintf("incomplete: %s %s; the others are still missing, each with the reason above", all, came)
}

// journalLock is the lock file of a folder of a journal.
const journalLock = "lock"

// removeLeftover removes what a repair that was cut short left of a file.
func removeLeftover(fsys journal.FS, folder string) error {
	err := fsys.Remove(filepath.Join(folder, repairTemp))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// The first pause between tries to reach the gateway again, and how often it is
// tried again in a row without a frame; each pause is twice the one before.
const (
	repairPause = time.Second
	repairTries = 4
)
