package receiver

import (
	"fmt"
	"slices"

	"photongate/protocol/journal"
	"photongate/protocol/pairing"
)

// repairs says which gateways may have what was lost here, holes that they did not
// state themselves in archives of theirs, and how it is fetched.
func (r *Report) repairs() []string {
	known, _ := pairing.List() // what cannot be read is told when it is named
	var lines []string
	for i := range r.Streams {
		s := &r.Streams[i]
		lost := slices.ContainsFunc(s.Parts, func(p PartReport) bool {
			return p.place == journal.InArchive && slices.ContainsFunc(p.Holes, func(h LossReport) bool { return h.By != s.Gateway && !h.Allowed })
		})
		if line := s.Gateway + " may still have what this folder lost: " + r.repairWith(s, known); lost && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// repairWith is the command that repairs what is of a gateway. A recording does not
// tell who dialled, so that both ways are named where both may work.
func (r *Report) repairWith(s *StreamReport, known []pairing.Pairing) string {
	repair := "photonrecv repair " + shellWord(r.Folder)
	listen := repair + " --listen :" + DefaultPort
	i := slices.IndexFunc(known, func(p pairing.Pairing) bool {
		return p.Journal == s.Journal || p.Journal.IsZero() && p.Gateway == s.Gateway
	})
	from := "ADDRESS" // it is of this computer, or another one recorded it
	if i >= 0 && len(known[i].Addresses) == 0 {
		return listen + " (or another port that forward names there)"
	}
	if i >= 0 {
		from = known[i].Name
	}
	return fmt.Sprintf("%s --from %s, or, if it dials this computer, %s (or another port that forward names there)", repair, from, listen)
}
