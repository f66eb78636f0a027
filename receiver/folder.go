package receiver

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/table"
)

const (
	journalFile = "journal.json" // marks a folder of a journal
	segmentExt  = ".pgs"

	gatewayStream = table.GatewayStream
)

// ErrNoArchive says that a folder holds nothing recorded.
var ErrNoArchive = errors.New("no recording here")

// findFolders returns the journal folders in a folder, sorted: itself, when it
// is one, the frames of a measurement's folder, or those directly below it. What
// diverged stands in several. One that has lost its journal.json is one as well.
func findFolders(dir string) ([]string, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, usage{fmt.Errorf("%s is a file, not a folder of recordings", dir)}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if holdsStreams(dir) {
		return []string{dir}, nil
	}
	if raw := filepath.Join(dir, rawFolder); isMeasurementFolder(dir) && holdsStreams(raw) {
		return []string{raw}, nil
	}
	var found []string
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); e.IsDir() && holdsStreams(path) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w: name the folder that was given to photonrecv record with --dir, or one that photonrecv measure made", dir, ErrNoArchive)
	}
	return found, nil
}

// holdsStreams reports whether a folder is one of a journal: it says so, or has
// segment files in a folder below it.
func holdsStreams(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, journalFile)); err == nil {
		return true
	}
	streams, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, s := range streams {
		if !s.IsDir() || protocol.CheckName(s.Name()) != nil {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, s.Name()))
		if err == nil && slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), segmentExt) }) {
			return true
		}
	}
	return false
}

// matches reports whether a stream is wanted: a pattern fits its name, or
// gateway/name. No pattern wants all.
func matches(patterns []string, gateway, stream string) bool {
	if len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		name := stream
		if strings.Contains(p, "/") {
			name = gateway + "/" + stream
		}
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// patternsFor are patterns as one gateway understands them: without gateways'
// names, and without those meant for others. No pattern wants all.
func patternsFor(patterns []string, name string) []string {
	if len(patterns) == 0 {
		return []string{"*"}
	}
	var own []string
	for _, p := range patterns {
		gateway, stream, ok := strings.Cut(p, "/")
		if !ok {
			own = append(own, p)
		} else if matches([]string{gateway}, "", name) {
			own = append(own, stream)
		}
	}
	return own
}

// checkPatterns refuses patterns that cannot be understood.
func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("pattern of streams %q: use names with * for any characters and ? for one", p)
		}
	}
	return nil
}

// preambleCopies reads the copies of descriptors and clock frames in the
// preambles of a stream's files, oldest file first: what is known of parts
// whose own descriptor is not held. epoch 0 means all. Files that cannot be
// read are passed over: they are the business of verify.
func preambleCopies(fsys journal.FS, streamDir string, epoch uint32) [][]byte {
	var copies [][]byte
	for p := range preambles(fsys, streamDir) {
		if epoch == 0 || p.Epoch == epoch || p.Epoch == 0 && describes(p.Copies, epoch) {
			copies = append(copies, p.Copies...)
		}
	}
	return copies
}

// describes reports whether an epoch's descriptor is among some copies: of a damaged
// preamble they are all that is known.
func describes(copies [][]byte, epoch uint32) bool {
	return slices.ContainsFunc(copies, func(c []byte) bool {
		h, err := protocol.ParseHeader(c)
		return err == nil && h.Type == protocol.TypeDescriptor && h.Epoch == epoch
	})
}

// preambles walks over the preambles of a stream's files, sorted by file name. Of
// damaged ones there is nothing but the copies in them.
func preambles(fsys journal.FS, streamDir string) iter.Seq[protocol.Preamble] {
	return func(yield func(protocol.Preamble) bool) {
		entries, err := fsys.ReadDir(streamDir)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.IsDir() || !strings.HasSuffix(e.Name(), segmentExt) {
				continue
			}
			if p, err := readPreamble(fsys, filepath.Join(streamDir, e.Name())); (err == nil || len(p.Copies) > 0) && !yield(p) {
				return
			}
		}
	}
}

func readPreamble(fsys journal.FS, name string) (protocol.Preamble, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return protocol.Preamble{}, err
	}
	defer f.Close()
	p, _, err := journal.ReadPreamble(f)
	return p, err
}

// forEachFrame calls use for whole frames back to back, whose checksums hold.
func forEachFrame(frames []byte, use func(h protocol.Header, payload []byte) error) error {
	for len(frames) > 0 {
		h, err := protocol.ParseHeader(frames)
		if err != nil {
			return err
		}
		if err := use(h, frames[h.HeaderLen:h.FrameLen()]); err != nil {
			return err
		}
		frames = frames[h.FrameLen():]
	}
	return nil
}

// looker returns what a decoder asks when it meets a part without its
// descriptor.
func looker(fsys journal.FS, streamDir string) func(epoch uint32) [][]byte {
	return func(epoch uint32) [][]byte { return preambleCopies(fsys, streamDir, epoch) }
}

// epochsOf lists the epochs of which a stream's folder has a file, in order.
func epochsOf(fsys journal.FS, streamDir string) []uint32 {
	var epochs []uint32
	for p := range preambles(fsys, streamDir) {
		if p.Epoch > 0 && !slices.Contains(epochs, p.Epoch) {
			epochs = append(epochs, p.Epoch)
		}
	}
	slices.Sort(epochs)
	return epochs
}
