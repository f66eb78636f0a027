package protocol

import "time"

// Status is a snapshot of a gateway, for people and programs.
type Status struct {
	Name        string             `json:"name"`
	Software    string             `json:"software"`
	Listen      List[string]       `json:"listen"`
	Started     time.Time          `json:"started"`
	NowNs       Int64              `json:"now_ns"` // time base
	UTCNs       Int64              `json:"utc_ns"` // UTC as the gateway believes it
	ClockSync   string             `json:"clock_sync"`
	ClockErrNs  *Int64             `json:"clock_err_ns,omitempty"` // estimated error; nil: unknown
	Control     string             `json:"control"`                // "local", "token" or "off"
	Journal     JournalStatus      `json:"journal"`
	Devices     List[DeviceStatus] `json:"devices"`
	Sessions    List[SessionInfo]  `json:"sessions"`
	Archives    List[ArchiveInfo]  `json:"archives"`
	Outputs     []OutputStatus     `json:"outputs,omitempty"`
	Forwards    []ForwardStatus    `json:"forwards,omitempty"`    // receivers that the gateway dials
	Measurement *MeasurementStatus `json:"measurement,omitempty"` // that goes on; nil: none
}

// JournalStatus says how the journal is, and for how long it lasts.
type JournalStatus struct {
	ID      ID     `json:"id"`
	Folder  string `json:"folder"`
	State   string `json:"state"`             // one of the Journal words
	Trouble string `json:"trouble,omitempty"` // what the disk said last, in full; empty when all is well
	Cause   string `json:"cause,omitempty"`   // of the state degraded: a sentence for people

	Bytes         Int64           `json:"bytes"`                  // in segment files
	QuotaBytes    Int64           `json:"quota_bytes"`            // that they may have
	FreeBytes     *Int64          `json:"free_bytes,omitempty"`   // on the disk; nil: not known
	KeepFreeBytes Int64           `json:"keep_free_bytes"`        // that stay free on the disk
	ReserveBytes  Int64           `json:"reserve_bytes,omitzero"` // taken on the disk besides, for when it is full
	HeldBytes     Int64           `json:"held_bytes"`             // not yet acked by every archive that holds them
	RateBps       float64         `json:"rate_bytes_per_s"`       // that the journal grows by, over the last minute
	LastsS        *float64        `json:"lasts_s,omitempty"`      // until something is dropped that an archive has not fetched, were none to fetch anything; nil: not known, or more than ten years
	TailBytes     Int64           `json:"tail_bytes"`             // of the memory for frames that wait for the disk
	TailUsedBytes Int64           `json:"tail_used_bytes"`        // of it taken by frames that wait
	TailLastsS    *float64        `json:"tail_lasts_s,omitempty"` // of stall of the disk that it takes at the present rate
	DroppedBytes  Int64           `json:"dropped_bytes,omitzero"` // dropped unfetched by the quota, since the gateway started
	Dropped       string          `json:"dropped,omitempty"`      // a sentence: what was dropped unfetched last; empty: nothing
	Streams       []JournalStream `json:"streams,omitempty"`
}

// States of a journal.
const (
	JournalOK       = "ok"
	JournalDegraded = "degraded" // the disk does not take what is appended: readings wait in memory, or are lost
	JournalFull     = "full"     // what an archive has not fetched is dropped
)

// JournalStream is what a stream has of the journal.
type JournalStream struct {
	Name      string  `json:"name"`
	Bytes     Int64   `json:"bytes"`
	Share     float64 `json:"share"`                // of the quota, 0 to 1
	OldestUTC string  `json:"oldest_utc,omitempty"` // RFC 3339; empty: not known
}

// DeviceStatus says how a device is.
type DeviceStatus struct {
	Name          string          `json:"name"`
	Driver        string          `json:"driver"`
	Model         string          `json:"model,omitempty"`
	Port          string          `json:"port"`
	State         string          `json:"state"` // opening, running, stalled, gone, waiting, failed, stopped
	Since         time.Time       `json:"since"` // of the state
	Cause         string          `json:"cause,omitempty"`
	Hint          string          `json:"hint,omitempty"`           // what to try
	Attempts      int             `json:"attempts,omitempty"`       // to open it since it was last running
	Epoch         uint32          `json:"epoch,omitempty"`          // 0: never read yet
	Tags          bool            `json:"tags,omitempty"`           // it gives time tags: these are counted as its readings
	Readings      Uint64          `json:"readings"`                 // since the gateway started
	Gaps          Uint64          `json:"gaps"`                     // since the gateway started
	GateNs        Int64           `json:"gate_ns,omitzero"`         // nominal
	LastReadingNs Int64           `json:"last_reading_ns,omitzero"` // end of the last reading, on the time base
	Rates         []ChannelStatus `json:"rates,omitempty"`          // of the last reading
	Alarms        []AlarmStatus   `json:"alarms,omitempty"`         // that are on, or were since the gateway started
	NotKept       string          `json:"settings_note,omitempty"`  // settings changed since the start that the configuration does not name
	Unverified    string          `json:"unverified,omitempty"`     // which settings the instrument does not confirm; empty: none
	LeftBehind    string          `json:"left_behind,omitempty"`    // a call into the operating system that does not return, and since when
}

// ChannelStatus is the counts per second of one channel in the last reading, raw.
type ChannelStatus struct {
	Channel string   `json:"channel"`
	CPS     *float64 `json:"cps,omitempty"` // nil: not known
}

// AlarmStatus is a limit that is crossed, or was.
type AlarmStatus struct {
	Channel string    `json:"channel"` // empty where it concerns all of them
	Kind    string    `json:"kind"`    // "above", "below", "overflow" or "clock"
	On      bool      `json:"on"`
	Since   time.Time `json:"since"` // when it came on last
	Times   Uint64    `json:"times"` // excursions since the gateway started
	Text    string    `json:"text"`  // "A counts 3.4 Mcps, above its limit of 3 Mcps"
}

// SessionInfo says what a receiver is doing.
type SessionInfo struct {
	Name    string       `json:"name"`
	Address string       `json:"address"`
	Since   time.Time    `json:"since"`
	TLS     bool         `json:"tls"`
	Rights  List[string] `json:"rights"`
	Archive bool         `json:"archive"`           // has an archive subscription
	Behind  Int64        `json:"behind,omitzero"`   // bytes not yet sent to its archive subscriptions
	Forward bool         `json:"forward,omitempty"` // the gateway dialled
}

// ArchiveInfo says which archive was fed, when, and what it holds back.
type ArchiveInfo struct {
	Name        string    `json:"name"`
	ID          ID        `json:"id"`
	LastSeen    time.Time `json:"last_seen"`
	Connected   bool      `json:"connected"`
	Holds       bool      `json:"holds"`                 // the journal keeps what it has not acked; false: not seen for too long
	BehindBytes Int64     `json:"behind_bytes,omitzero"` // in the journal and not acked by it
	BehindS     *float64  `json:"behind_s,omitempty"`    // so much recorded time is not acked; nil: nothing, or not known
	LostBytes   Int64     `json:"lost_bytes,omitzero"`   // dropped by the quota before it had acked them, since it is known; it may have them all the same
	Trouble     string    `json:"trouble,omitempty"`     // of one that is connected: what keeps it from taking more, as it says; a sentence
	BadFrames   Uint64    `json:"bad_frames,omitzero"`   // that arrived there damaged and were sent again, since the gateway started
}

// ForwardStatus says how a receiver is that the gateway dials.
type ForwardStatus struct {
	Address string    `json:"address"`
	State   string    `json:"state"` // "connected", "trying" or "refused"
	Since   time.Time `json:"since"` // of the state
	Trouble string    `json:"trouble,omitempty"`
}

// OutputStatus says how an output for other programs is.
type OutputStatus struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Address string `json:"address"`
	Clients int    `json:"clients"`
	Dropped Uint64 `json:"dropped"` // blocks, since the gateway started
	Trouble string `json:"trouble,omitempty"`
}

// MeasurementStatus is a measurement that goes on.
type MeasurementStatus struct {
	Measurement Measurement `json:"measurement"`
	Who         string      `json:"who,omitempty"`
	From        string      `json:"from"`
	Since       time.Time   `json:"since"`
}
