package gateway

import (
	"time"

	"photongate/device"
)

// troubleEvery is the least time between two events about one port: a wrong baud
// rate makes trouble with every byte.
const troubleEvery = 10 * time.Second

// lineTrouble notes in the record what a port tells of lost and damaged bytes. The
// zero value notes nothing.
type lineTrouble struct {
	port device.LineWatcher // nil: it tells nothing
	told device.Trouble
	next int64 // when the next event may be, time base
}

// watchLine looks at a port from now on.
func watchLine(port device.Port) lineTrouble {
	w, _ := port.(device.LineWatcher)
	return lineTrouble{port: w}
}

// note adds an event to b when there is something new to tell.
func (l *lineTrouble) note(b *device.Batch, now int64) {
	if l.port == nil || now < l.next {
		return
	}
	trouble := l.port.Trouble()
	if text := trouble.Since(l.told); text != "" {
		b.Notes = append(b.Notes, device.Note{Row: b.Len(), Event: &device.Event{Time: now, What: "line trouble", Text: text}})
		l.told, l.next = trouble, now+int64(troubleEvery)
	}
}
