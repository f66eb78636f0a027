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
	Measurement *MeasurementStatus `json:"measurement,omitempty"` // that goes on; nil: none
}

// JournalStatus says how the journal is.
type JournalStatus struct {
	ID      ID     `json:"id"`
	Folder  string `json:"folder"`
	Trouble string `json:"trouble,omitempty"` // what the disk said last; empty when all is well
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
	Readings      Uint64          `json:"readings"`                 // since the gateway started
	Gaps          Uint64          `json:"gaps"`                     // since the gateway started
	GateNs        Int64           `json:"gate_ns,omitzero"`         // nominal
	LastReadingNs Int64           `json:"last_reading_ns,omitzero"` // end of the last reading, on the time base
	Rates         []ChannelStatus `json:"rates,omitempty"`          // of the last reading
	Alarms        []AlarmStatus   `json:"alarms,omitempty"`         // that are on, or were since the gateway started
	NotKept       string          `json:"settings_note,omitempty"`  // settings changed since the start that the configuration does not name
}

// ChannelStatus is the counts per second of one channel in the last reading, raw.
type ChannelStatus struct {
	Channel string   `json:"channel"`
	CPS     *float64 `json:"cps,omitempty"` // nil: not known
}

// AlarmStatus is a limit that is crossed, or was.
type AlarmStatus struct {
	Channel string    `json:"channel"`
	Kind    string    `json:"kind"` // "above", "below" or "overflow"
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
	Archive bool         `json:"archive"`         // has an archive subscription
	Behind  Int64        `json:"behind,omitzero"` // bytes not yet sent to its archive subscriptions
}

// ArchiveInfo says which archive was fed, and when.
type ArchiveInfo struct {
	Name      string    `json:"name"`
	ID        ID        `json:"id"`
	LastSeen  time.Time `json:"last_seen"`
	Connected bool      `json:"connected"`
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
