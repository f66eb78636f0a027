// Package faults knows what photongate promises when something breaks: the list
// of faults, each with its promise, and what a run of the tests showed of it.
//
// A test that keeps a promise says so through testing's attributes:
//
//	t.Attr("fault", "F13")                     // once for each fault it covers
//	t.Attr("injected", "one flipped bit in each of 3,812 bytes")
//	t.Attr("promised", "the frame that was hit becomes a hole, all else is delivered")
//	t.Attr("seen", "3,812 of 3,812: one hole each")   // measured in this run
//
// go test -json hands them on. The command campaign runs these tests in their
// long form and prints the table; testlog demands of every run of all tests that
// each fault was announced.
package faults

// Fault is one thing that goes wrong.
type Fault struct {
	ID      string // F01
	Name    string // what happens
	Promise string // what then holds
	// Nearest says, where the fault itself needs hardware or something not
	// built yet, which simulation of it the tests use instead. Empty where the
	// tests inject the fault itself.
	Nearest string
}

// List holds every fault, in the order of its numbers.
func List() []Fault {
	return []Fault{
		{ID: "F01", Name: "the gateway is killed in the middle, again and again", Promise: "what was acknowledged is there; only what the dead gateway could not read is missing, under a gap"},
		{ID: "F02", Name: "the receiver is killed in the middle, again and again", Promise: "it goes on from its own files: nothing twice, no hole"},
		{ID: "F03", Name: "both are killed at the same moment", Promise: "as for each alone"},
		{ID: "F04", Name: "a crash at every write, sync, rename and removal of files", Promise: "opening again works; at most what was not acknowledged is gone"},
		{ID: "F05", Name: "power cut: everything not synced is forgotten, with a receiver that had more", Promise: "every acknowledged frame can be read, no number is used twice, what the receiver has more it keeps"},
		{ID: "F06", Name: "power cut that leaves the last sectors shuffled or zero", Promise: "recovery deletes nothing; good frames after a torn one are kept; the rest is a hole 'unsynced tail'"},
		{ID: "F07", Name: "the gateway is asked to end under full load", Promise: "drained, synced, said goodbye, exit 0 within 5 s; nothing lost"},
		{ID: "F08", Name: "the gateway is stopped for a minute (SIGSTOP) and goes on", Promise: "what the instrument overran is flagged or a gap; order kept; clients come back"},
		{ID: "F09", Name: "64 MiB of memory, a million time tags/s or 100,000 readings/s, dead receiver", Promise: "everything goes to disk, memory stays flat"},
		{ID: "F10", Name: "the gateway's disk is full", Promise: "memory takes what it can, 'degraded' is said, the oldest goes as the quota says, with a hole and an alarm; well again when there is room"},
		{ID: "F11", Name: "a sync fails once", Promise: "nothing of that stretch is acknowledged; the file is closed and read again, never synced again as if nothing had been"},
		{ID: "F12", Name: "a write stops short or is interrupted", Promise: "a frame is whole or absent"},
		{ID: "F13", Name: "one flipped bit anywhere in the journal", Promise: "the frame that was hit becomes a hole 'damaged', all else is delivered"},
		{ID: "F14", Name: "a file of the journal is removed by hand", Promise: "start works; a hole 'file missing'"},
		{ID: "F15", Name: "the disk is 200 times slower, or stalls for 5 s", Promise: "no reading is late or lost while the memory tail lasts"},
		{ID: "F16", Name: "the disk becomes read-only while running", Promise: "'degraded' and an alarm within 5 s; the live view goes on"},
		{ID: "F17", Name: "the quota is made smaller or larger", Promise: "no live file is touched"},
		{ID: "F18", Name: "times and names of the journal's files are nonsense", Promise: "order comes from what is in them"},
		{ID: "F19", Name: "the cable is out for 72 hours", Promise: "everything arrives late; a live view is current in 2 s while it does"},
		{ID: "F20", Name: "the connection breaks at any byte of a frame", Promise: "the part is thrown away, the rest resumes; nothing missing, nothing twice"},
		{ID: "F21", Name: "the other end vanishes without a word", Promise: "noticed within 5 s, on both sides"},
		{ID: "F22", Name: "single bytes, long pauses inside frames, jitter", Promise: "the same bytes come out; nobody is cut off while bytes flow"},
		{ID: "F23", Name: "bits flip on the way", Promise: "noticed, asked for again, never written; bad on the gateway's disk becomes a hole, no endless loop"},
		{ID: "F24", Name: "one receiver reads 1 kB/s, another at full speed", Promise: "the slow one lags on disk, the fast one does not notice; a slow view skips and is told"},
		{ID: "F25", Name: "200 idle connections and 50 that send rubbish", Promise: "limits hold; good clients do not notice"},
		{ID: "F26", Name: "one archive from two processes; one name with two archives", Promise: "one writer; the newer connection displaces the older; another archive is refused unless it takes over"},
		{ID: "F27", Name: "the receiver is ahead, has other bytes, or knows another journal", Promise: "'ahead', 'diverged', 'unknown journal': never a hang, never a silent restart"},
		{ID: "F28", Name: "an acknowledgement of what was never sent", Promise: "refused, connection closed, nothing deleted"},
		{ID: "F29", Name: "small batches against Nagle and delayed acknowledgements", Promise: "less than 5 ms added for 99 % on one computer"},
		{ID: "F30", Name: "IPv6 only, no name service that answers in time", Promise: "a fixed address works; start is not delayed", Nearest: "mDNS is not used at all, so only its absence can be shown"},
		{ID: "F31", Name: "the instrument is unplugged during a read", Promise: "a gap opens within 2 s; nothing hangs, no goroutine stays"},
		{ID: "F32", Name: "it comes back under another name", Promise: "found by serial number or socket; settings pushed, read back, compared"},
		{ID: "F33", Name: "the instrument has forgotten its settings and answers well", Promise: "noticed; rows are flagged 'unverified' until corrected"},
		{ID: "F34", Name: "the instrument is silent, the port is open", Promise: "STALLED after three gates, opened again with growing pauses, no invented zeros"},
		{ID: "F35", Name: "rubbish, half lines, merged lines on the port", Promise: "back in step; counted; no value from a broken line"},
		{ID: "F36", Name: "counters wrap or overflow", Promise: "true counts; what overflowed is flagged"},
		{ID: "F37", Name: "two programs on one port, one journal, one archive", Promise: "the second is refused, with the holder's process number where the system tells it"},
		{ID: "F38", Name: "opening the port never returns", Promise: "abandoned after a limit, visible, tried again"},
		{ID: "F39", Name: "gates come late, early or not at all", Promise: "rates use the instrument's gate or say who timed it; no gate twice"},
		{ID: "F40", Name: "a setting is changed while it counts", Promise: "an event with the last index surely before and the first surely after; rows between are flagged 'mixed'"},
		{ID: "F41", Name: "the clock steps, stops, or is set only after minutes", Promise: "order and intervals unchanged; times corrected on reading, for earlier parts too; honest about what is not known"},
		{ID: "F42", Name: "the instrument's clock is off by 200 ppm for a day", Promise: "fitted within 1 ppm; what remains is reported"},
		{ID: "F43", Name: "frames of a later version", Promise: "what may be skipped is skipped and stored unharmed; only what must be understood is refused"},
		{ID: "F44", Name: "14 days on a Pi, power cut each night", Promise: "nothing lost; memory and open files flat", Nearest: "the soak of 30 minutes on one computer, with receiver, network and disk broken all the time; no relay, no card"},
		{ID: "F45", Name: "the receiver's disk is full, shorter or longer than the journal lasts", Promise: "it stops acknowledging, says how long the gateway can hold, keeps its view, goes on by itself; beyond the quota holes and an alarm"},
	}
}

// Known reports whether a fault is in the list.
func Known(id string) bool {
	for _, f := range List() {
		if f.ID == id {
			return true
		}
	}
	return false
}
