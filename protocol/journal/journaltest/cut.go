package journaltest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// After says what a power cut leaves of data that was not synced.
type After int

// Kinds of power cuts.
const (
	Lost      After = iota // nothing of it
	Part                   // a random first part of it
	Scrambled              // all of it, with random sectors of 512 bytes zeroed
	Shuffled               // a random length of it, of which random sectors never came: the disk wrote them in an order of its own
)

// PowerCut returns the file system as the next start finds it: data that were
// not synced are gone as After says, and so are names; after Part and Shuffled each
// name made, removed or given anew may be on the disk or not. Locks are free.
func (f *FS) PowerCut(after After, rnd *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	n := New()
	n.now = f.now.Add(time.Minute)
	n.root = f.root.survive(after, rnd)
	n.capacity(f.total)
	return n
}

// Kill returns the file system as the next start finds it when only the
// process died: all that was written is there, synced or not. Locks are free.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	n := New()
	n.now = f.now.Add(time.Minute)
	n.root = f.root.copied(map[any]any{})
	n.capacity(f.total)
	return n
}

// copied is a copy of a folder with what it knows of syncs.
func (d *dir) copied(seen map[any]any) *dir {
	n := newDir()
	seen[d] = n
	entry := func(e any) any {
		if seen[e] == nil {
			switch e := e.(type) {
			case *dir:
				e.copied(seen)
			case *node:
				seen[e] = &node{data: slices.Clone(e.data), synced: slices.Clone(e.synced), mtime: e.mtime}
			}
		}
		return seen[e]
	}
	for name, e := range d.names {
		n.names[name] = entry(e)
	}
	for name, e := range d.synced {
		n.synced[name] = entry(e)
	}
	return n
}

func (d *dir) survive(after After, rnd *rand.Rand) *dir {
	n := newDir()
	names := d.synced
	if after == Part || after == Shuffled {
		names = d.someNames(rnd)
	}
	for _, name := range sortedNames(names) {
		switch e := names[name].(type) {
		case *dir:
			n.names[name] = e.survive(after, rnd)
		case *node:
			data := slices.Clone(e.synced)
			if extra := len(e.data) - len(data); extra > 0 {
				switch after {
				case Part:
					data = append(data, e.data[len(data):len(data)+rnd.IntN(extra+1)]...)
				case Scrambled:
					data = scramble(e.data, len(data), rnd)
				case Shuffled:
					data = scramble(e.data[:len(data)+rnd.IntN(extra+1)], len(data), rnd)
				}
			}
			n.names[name] = &node{data: data, synced: slices.Clone(data), mtime: e.mtime}
		}
		n.synced[name] = n.names[name]
	}
	return n
}

// someNames are the names as they were synced, with some of the changes since.
func (d *dir) someNames(rnd *rand.Rand) map[string]any {
	out := maps.Clone(d.synced)
	all := maps.Clone(d.synced)
	maps.Copy(all, d.names)
	for _, name := range sortedNames(all) {
		e, there := d.names[name]
		switch {
		case e == d.synced[name] || rnd.IntN(2) == 0:
		case there:
			out[name] = e
		default:
			delete(out, name)
		}
	}
	return out
}

// scramble zeroes sectors of data behind what was synced.
func scramble(data []byte, synced int, rnd *rand.Rand) []byte {
	const sector = 512
	out := slices.Clone(data)
	for at := synced; at < len(out); at = (at/sector + 1) * sector {
		if rnd.IntN(3) == 0 {
			clear(out[at:min((at/sector+1)*sector, len(out))])
		}
	}
	return out
}

func (d *dir) clone() *dir {
	n := newDir()
	for name, e := range d.names {
		switch e := e.(type) {
		case *dir:
			n.names[name] = e.clone()
		case *node:
			n.names[name] = &node{data: slices.Clone(e.data), synced: slices.Clone(e.data), mtime: e.mtime}
		}
		n.synced[name] = n.names[name]
	}
	return n
}

// Clone returns a copy of the file system in which all is synced.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := New()
	n.now = f.now
	n.root = f.root.clone()
	n.capacity(f.total)
	return n
}
