package receiver

import (
	"fmt"
	"path/filepath"
	"strings"

	"photongate/protocol"
)

// journalFolder is a folder of a gateway's journal, and which journal that is.
type journalFolder struct {
	path, gateway string
	journal       protocol.ID
}

// heldTwice says which folders are of one journal. That is so after the gateway's
// record and the archive differed: what both hold stands twice.
func heldTwice(folders []journalFolder) []string {
	var said []string
	done := map[protocol.ID]bool{}
	for _, f := range folders {
		var names []string
		for _, other := range folders {
			if other.journal == f.journal {
				names = append(names, filepath.Base(other.path))
			}
		}
		if len(names) > 1 && !done[f.journal] {
			done[f.journal] = true
			said = append(said, fmt.Sprintf("%s are of one journal of %s, whose record was not the one held here when the later began: readings of before may stand in each", strings.Join(names, " and "), f.gateway))
		}
	}
	return said
}
