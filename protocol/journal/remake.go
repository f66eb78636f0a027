package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"photongate/protocol"
)

// RemakeMeta makes journal.json of an archive's folder anew from the preambles of
// its files, where it is missing or damaged, as Open does; one that is damaged is
// kept under another name. archive is the id of the archive, zero when that is
// not known: whoever opens the folder next gives it. wrong says what was wrong
// with the file and what became of it, empty when nothing was and nothing was
// written. The caller holds the folder's lock.
func RemakeMeta(fsys FS, dir string, archive protocol.ID) (wrong string, err error) {
	_, cause := readMeta(fsys, dir)
	if cause == nil || errors.Is(cause, protocol.ErrVersion) {
		return "", cause
	}
	m, found, err := rebuildMeta(fsys, dir)
	switch {
	case err != nil:
		return "", fmt.Errorf("journal: %w; it cannot be made again from the files: %w", cause, err)
	case !found:
		return "", fmt.Errorf("journal: %w; there is no segment file to make it again from", cause)
	case m.Place != InArchive:
		return "", fmt.Errorf("journal: %s is no archive: %w", dir, ErrOther)
	}
	m.Archive = archive
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return "", err
	}
	wrong = cause.Error() + putAside(fsys, dir, cause)
	if err := ReplaceFile(fsys, filepath.Join(dir, metaName), WithCRC(text)); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, metaName), err)
	}
	return wrong, nil
}
