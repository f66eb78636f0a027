package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"photongate/protocol"
)

// FolderVariable is the environment variable that says where pairings are.
const FolderVariable = "PHOTONGATE_CONFIG"

const (
	gatewaysFolder = "gateways" // of pairings, by name
	localFolder    = "local"    // of what gateways on this machine leave for their user's programs, by journal
	maxFile        = 64 << 10
)

// ErrNotPaired says that there is no pairing of a name.
var ErrNotPaired = errors.New("not paired")

// Folder is where the pairings of this user are: the folder that
// PHOTONGATE_CONFIG names, or else photongate in the user's folder of
// configurations.
func Folder() (string, error) {
	if dir := os.Getenv(FolderVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where this user's configuration belongs is not known (%w): name a folder in %s", err, FolderVariable)
	}
	return filepath.Join(dir, "photongate"), nil
}

// Load reads the pairing of a name. Without one the error is ErrNotPaired.
func Load(name string) (Pairing, error) {
	if err := protocol.CheckName(name); err != nil {
		return Pairing{}, fmt.Errorf("%w: %w", ErrNotPaired, err)
	}
	dir, err := Folder()
	if err != nil {
		return Pairing{}, err
	}
	p, err := readFile(filepath.Join(dir, gatewaysFolder, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Pairing{}, fmt.Errorf("%w: %s", ErrNotPaired, name)
	}
	if err == nil && p.Name != name {
		err = fmt.Errorf("the file is that of %s, but says that it is that of %s", name, p.Name)
	}
	return p, err
}

// LoadLocal reads what a gateway with that journal left on this machine for
// programs of its own user. It reports false when there is nothing.
func LoadLocal(journal protocol.ID) (Pairing, bool, error) {
	dir, err := Folder()
	if err != nil {
		return Pairing{}, false, nil // a user without a folder has nothing in it
	}
	p, err := readFile(filepath.Join(dir, localFolder, journal.String()+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Pairing{}, false, nil
	}
	return p, err == nil, err
}

// Save writes a pairing under its name, in place of what was there. Only its user can
// read it.
func Save(p Pairing) error {
	return write(gatewaysFolder, p.Name, p)
}

// SaveLocal writes what programs of this user find by the gateway's journal.
func SaveLocal(p Pairing) error {
	if p.Journal.IsZero() {
		return errors.New("a gateway without a journal cannot be found by it")
	}
	return write(localFolder, p.Journal.String(), p)
}

// RemoveLocal takes back what SaveLocal left.
func RemoveLocal(journal protocol.ID) error {
	dir, err := Folder()
	if err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, localFolder, journal.String()+".json"))
}

// List reads all pairings, by name. What cannot be read is told in the error;
// the others come all the same.
func List() ([]Pairing, error) {
	dir, err := Folder()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, gatewaysFolder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("pairings: %w", err)
	}
	var list []Pairing
	var failed []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || protocol.CheckName(name) != nil {
			continue
		}
		p, err := Load(name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Pairing) int { return strings.Compare(a.Name, b.Name) })
	return list, errors.Join(failed...)
}

// Remove forgets a pairing. Without one the error is ErrNotPaired.
func Remove(name string) error {
	if err := protocol.CheckName(name); err != nil {
		return fmt.Errorf("%w: %w", ErrNotPaired, err)
	}
	dir, err := Folder()
	if err != nil {
		return err
	}
	err = os.Remove(filepath.Join(dir, gatewaysFolder, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotPaired, name)
	}
	return err
}

// readFile reads and checks one file. Errors name it, and hold no secret.
func readFile(path string) (Pairing, error) {
	text, err := readSecret(path)
	if err != nil {
		return Pairing{}, err
	}
	p, err := decodeFile(text)
	if err != nil {
		return Pairing{}, fmt.Errorf("%s cannot be used: %w; pair again (`photongate pair` on the gateway prints the line)", path, err)
	}
	return p, nil
}

// decodeFile reads what a file holds.
func decodeFile(text []byte) (Pairing, error) {
	var p Pairing
	if err := protocol.DecodeJSON(text, &p); err != nil {
		return Pairing{}, errors.New("it is damaged, or no pairing") // the cause might quote the token
	}
	if p.Format > formatNumber {
		return Pairing{}, fmt.Errorf("it was written by a newer photongate (format %d, this one knows %d)", p.Format, formatNumber)
	}
	if p.Format != formatNumber {
		return Pairing{}, fmt.Errorf("it has no format %d", formatNumber)
	}
	return p, p.check()
}

func write(folder, name string, p Pairing) error {
	p.Format = formatNumber
	if p.Addresses == nil {
		p.Addresses = []string{} // a list that is empty, to whoever reads the file
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("pairing %s: %w", p.Name, err)
	}
	dir, err := Folder()
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, folder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("pairing %s: %w", p.Name, err)
	}
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return writeSecret(filepath.Join(dir, name+".json"), append(text, '\n'))
}
