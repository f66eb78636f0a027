package receiver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/journal"
)

const (
	archiveFile = "archive.json" // in the folder the user names
	archiveLock = "archive.lock"
	fileLimit   = 1 << 20 // most bytes of a small file that is read
)

// archiveDir is the folder the user names: one receiver, as gateways see it.
// Below it there is a folder for each journal of a gateway. One process at a
// time records into it. It may be used concurrently.
type archiveDir struct {
	path string
	fs   journal.FS
	id   protocol.ID // what gateways know the receiver by, with name
	name string
	log  zerolog.Logger
	lock io.Closer

	mu    sync.Mutex
	made  map[string]bool // folders that this run made
	held  bool            // one that it uses was there before
	open  map[string]bool // folders in use
	freed chan struct{}   // closed and replaced when a folder is not in use any more, or something else changed
}

// archiveIdentity is archive.json.
type archiveIdentity struct {
	Format  int         `json:"format"`
	Archive protocol.ID `json:"archive"`
	Name    string      `json:"name"`
}

// openArchiveDir makes the folder where it is missing and locks it. With name
// empty the receiver keeps the name it had here, or gets one made from the
// host's name and the archive's id.
func openArchiveDir(fsys journal.FS, path, name string, log zerolog.Logger) (*archiveDir, error) {
	if err := fsys.MkdirAll(path); err != nil {
		return nil, fmt.Errorf("archive %s: %w", path, err)
	}
	lock, err := fsys.Lock(filepath.Join(path, archiveLock))
	if err != nil {
		if locked, ok := errors.AsType[*journal.LockedError](err); ok {
			return nil, usage{fmt.Errorf("another photonrecv (process id %d) records into %s: give this one a folder of its own (--dir), or name all gateways in one command: %w", locked.PID, path, journal.ErrLocked)}
		}
		return nil, fmt.Errorf("archive %s: lock: %w", path, err)
	}
	a := &archiveDir{path: path, fs: fsys, log: log, lock: lock, made: map[string]bool{}, open: map[string]bool{}, freed: make(chan struct{})}
	if err := a.identify(name); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return a, nil
}

func (a *archiveDir) close() error { return a.lock.Close() }

// identify reads archive.json, or makes it.
func (a *archiveDir) identify(name string) error {
	own, before, err := readIdentity(a.fs, a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if own, err = a.identityOfFolders(); err != nil {
			return err
		}
	case errors.Is(err, errIdentity):
		return usage{err}
	case err != nil:
		return fmt.Errorf("archive %s: %w", a.path, err)
	}
	if name != "" {
		own.Name = name
	}
	if protocol.CheckName(own.Name) != nil {
		own.Name = defaultName(own.Archive)
	}
	a.id, a.name = own.Archive, own.Name
	text, err := json.MarshalIndent(own, "", " ")
	if err != nil {
		return err
	}
	if text = journal.WithCRC(text); bytes.Equal(text, before) {
		return nil
	}
	if err := journal.ReplaceFile(a.fs, filepath.Join(a.path, archiveFile), text); err != nil {
		return fmt.Errorf("archive %s: %w", a.path, err)
	}
	return nil
}

// errIdentity is the cause why an archive.json cannot be used.
var errIdentity = errors.New("is not what photonrecv wrote there")

// readIdentity reads the archive.json of a folder, and gives its bytes as well.
func readIdentity(fsys journal.FS, dir string) (own archiveIdentity, text []byte, err error) {
	file := filepath.Join(dir, archiveFile)
	if text, err = journal.ReadFile(fsys, file, fileLimit); err != nil {
		return own, nil, err
	}
	if err := cmp.Or(journal.CheckCRC(text), json.Unmarshal(text, &own)); err != nil || own.Archive.IsZero() || own.Format != 1 {
		return archiveIdentity{}, text, fmt.Errorf("%s %w: delete it, and it is made anew from the folders beside it (with --name NAME if this receiver had a name of its own)", file, errIdentity)
	}
	return own, text, nil
}

// identityOfFolders is the identity of an archive without archive.json: that of
// the folders in it, by which gateways know it, or a new one where there are none.
func (a *archiveDir) identityOfFolders() (archiveIdentity, error) {
	own := archiveIdentity{Format: 1}
	entries, err := a.fs.ReadDir(a.path)
	if err != nil {
		return own, fmt.Errorf("archive %s: %w", a.path, err)
	}
	first := ""
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		folder, err := journal.OpenFolder(a.fs, filepath.Join(a.path, e.Name()))
		if err != nil || folder.Archive().IsZero() {
			continue // nothing tells whose it is
		}
		switch {
		case own.Archive.IsZero():
			own.Archive, first = folder.Archive(), e.Name()
		case own.Archive != folder.Archive():
			return own, usage{fmt.Errorf("%s has no %s, and its folders are of several archives: %s of %.8s, %s of %.8s: restore that file, or move those of one archive to a folder of their own",
				a.path, archiveFile, first, own.Archive, e.Name(), folder.Archive())}
		}
	}
	if own.Archive.IsZero() {
		own.Archive = protocol.NewID()
		return own, nil
	}
	a.log.Warn().Str("folder", a.path).Str("archive", own.Archive.String()).
		Msg(archiveFile + " is missing: it is made anew, with the id that the folders beside it name; give --name NAME if this receiver had a name of its own")
	return own, nil
}

// misnamed is the error for a folder of a gateway's journal that names another
// archive than archive.json, nil when it does not.
func (a *archiveDir) misnamed(path string, id protocol.ID) error {
	folder, err := journal.OpenFolder(a.fs, path)
	if err != nil || folder.ID() != id || folder.Archive().IsZero() || folder.Archive() == a.id {
		return nil
	}
	return usage{fmt.Errorf("it is part of the archive %v, and %s names %v: restore that file; or delete it, if all folders beside it are of one archive, and it is made anew from them",
		folder.Archive(), filepath.Join(a.path, archiveFile), a.id)}
}

var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// defaultName makes a receiver's name of the host's. The archive's id is part
// of it, since two folders are two receivers to a gateway.
func defaultName(id protocol.ID) string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	host = strings.Trim(notInNames.ReplaceAllString(host, "-"), "-._")
	if len(host) > 40 {
		host = strings.TrimRight(host[:40], "-._")
	}
	name := host + "-" + id.String()[:4]
	if host == "" || protocol.CheckName(name) != nil {
		name = "receiver-" + id.String()[:4]
	}
	return name
}

// folderFor returns the folder for a gateway's journal: <gateway>-<first 8 of
// the journal id>, the newest of them when the gateway's numbers diverged, and
// one more when fresh. It is this caller's until release.
func (a *archiveDir) folderFor(gateway string, id protocol.ID, fresh bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stem := gateway + "-" + id.String()[:8]
	entries, err := a.fs.ReadDir(a.path)
	if err != nil {
		return "", err
	}
	newest, other := 0, ""
	for _, e := range entries {
		if n, ok := folderNumber(e.Name(), stem); ok && e.IsDir() {
			newest = max(newest, n)
		} else if e.IsDir() && isFolderOf(e.Name(), gateway) {
			other = e.Name()
		}
	}
	if newest == 0 && other != "" {
		a.log.Warn().Str("gateway", gateway).Str("folder", filepath.Join(a.path, stem)).Str("earlier", filepath.Join(a.path, other)).
			Msg("the gateway has another journal than before: it gets a folder of its own, and the earlier record stays as it is")
	}
	isNew := fresh || newest == 0
	if isNew {
		newest++
	}
	path := filepath.Join(a.path, stem)
	if newest > 1 {
		path += "." + strconv.Itoa(newest)
	}
	if a.open[path] {
		return "", usage{fmt.Errorf("%w, %s: name each gateway once", errTaken, gateway)}
	}
	a.open[path] = true
	a.made[path] = a.made[path] || isNew
	a.held = a.held || !a.made[path]
	return path, nil
}

// heldBefore reports whether a folder that is recorded into was there before this
// run.
func (a *archiveDir) heldBefore() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}

// errTaken says that the folder of a gateway is in use by another recorder.
var errTaken = errors.New("two of the addresses lead to the same gateway")

func (a *archiveDir) release(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, path)
	a.changedLocked()
}

// changed has those look who wait for something.
func (a *archiveDir) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changedLocked()
}

func (a *archiveDir) changedLocked() {
	close(a.freed)
	a.freed = make(chan struct{})
}

// uses reports whether the folder of a gateway's journal is in use.
func (a *archiveDir) uses(gateway string, id protocol.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for path := range a.open {
		if _, ok := folderNumber(filepath.Base(path), gateway+"-"+id.String()[:8]); ok {
			return true
		}
	}
	return false
}

// await waits until something is so, or ctx ends. It looks when a folder is not in
// use any more, and when it is told of a change.
func (a *archiveDir) await(ctx context.Context, so func() bool) {
	for {
		a.mu.Lock()
		freed := a.freed
		a.mu.Unlock()
		if so() {
			return
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return
		}
	}
}

// folderNumber reports whether a folder's name is the stem (1) or the stem
// with a number behind it.
func folderNumber(name, stem string) (int, bool) {
	rest, ok := strings.CutPrefix(name, stem)
	if !ok {
		return 0, false
	}
	if rest == "" {
		return 1, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(rest, "."), 10, 16)
	return int(n), err == nil && rest[0] == '.' && n > 1
}

var folderTail = regexp.MustCompile(`^-[0-9a-f]{8}(\.[0-9]+)?$`)

// isFolderOf reports whether a folder's name is that of some journal of the
// gateway.
func isFolderOf(name, gateway string) bool {
	rest, ok := strings.CutPrefix(name, gateway)
	return ok && folderTail.MatchString(rest)
}

// appendClockFile appends a comparison of clocks to the side file of a folder.
func appendClockFile(folder string, base protocol.ID, c clockComparison) error {
	path := filepath.Join(folder, clockFile)
	var text []byte
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		text = append(text, "receiver_utc,base,base_ns,offset_ns,round_trip_ns\n"...)
	}
	text = fmt.Appendf(text, "%s,%s,%d,%d,%d\n", time.Unix(0, c.utcNs).UTC().Format("2006-01-02T15:04:05.000000Z"), base, c.utcNs+c.offsetNs, c.offsetNs, c.roundTripNs)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
