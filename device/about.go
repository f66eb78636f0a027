package device

// About is what people ask about a kind of instrument and no program needs: the
// page of a driver has it. Each is a list of sentences, without a full stop at
// their ends.
type About struct {
	Wiring []string // how it is connected, and what its connectors take, as far as that is published
	// Readings says what one reading is: who times it, what is lost between two, and
	// what cannot be noticed.
	Readings []string
	Sources  []string // where what is known of it is written
	Unknown  []string // what no public source says, and what the driver does about it
	// Hardware names real units it was tried with, by whom and when. Empty: none yet.
	Hardware []string
}
