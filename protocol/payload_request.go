package protocol

// Request asks the gateway for something beside the subscriptions. Requests of
// one session are answered in their order, each by one Reply.
type Request struct {
	ID          Uint64       `json:"id"` // chosen by the receiver, comes back in the Reply
	Do          string       `json:"do"` // one of the Do words
	Who         string       `json:"who,omitempty"`
	Device      string       `json:"device,omitempty"`      // DoGet (empty: all), DoSet
	Key         string       `json:"key,omitempty"`         // DoGet (empty: all), DoSet
	Value       string       `json:"value,omitempty"`       // DoSet, as in a configuration: "100ms", "0.5", "true"
	Force       bool         `json:"force,omitempty"`       // DoSet: also while somebody else measures
	Text        string       `json:"text,omitempty"`        // DoNote
	Name        string       `json:"name,omitempty"`        // DoForget: of the archive
	Measurement *Measurement `json:"measurement,omitempty"` // DoBegin, DoEnd; DoSet: of whom (only ID)
}

func (*Request) required() []string { return []string{"id", "do"} }

// Words of Request.Do, and the right each needs.
const (
	DoNow    = "now"    // read: nothing but Reply.TNs, the time base when the request was taken
	DoStatus = "status" // read
	DoGet    = "get"    // read
	DoSet    = "set"    // change, and as the gateway's control allows
	DoBegin  = "begin"  // change
	DoEnd    = "end"    // change
	DoNote   = "note"   // change
	DoForget = "forget" // change: the archive of this name does not hold the journal any more
)

// Reply answers a Request.
type Reply struct {
	ID       Uint64          `json:"id"`
	TNs      Int64           `json:"t_ns"`           // time base when the request was taken, before anything was done
	Code     string          `json:"code,omitempty"` // empty: done; else one of the Reply codes
	Text     string          `json:"text,omitempty"` // why not; or what is worth knowing
	Settings []DeviceSetting `json:"settings,omitempty"`
	Change   *Event          `json:"change,omitempty"` // DoSet: the event that was recorded
	Status   *Status         `json:"status,omitempty"`
}

func (*Reply) required() []string { return []string{"id", "t_ns"} }

// Codes of a Reply whose request was not done.
const (
	ReplyRights  = "rights"  // the session lacks the right
	ReplyControl = "control" // the gateway's configuration does not allow it (control, allow)
	ReplyBusy    = "busy"    // somebody else measures, or a change is going on
	ReplyUnknown = "unknown" // no such request, device, key or measurement
	ReplyValue   = "value"   // outside the driver's limits, or of the wrong kind
	ReplyDevice  = "device"  // the instrument is not open, or did not take it
	ReplyLimit   = "limit"   // too long
	ReplyJournal = "journal" // the gateway could not write it down
)

// DeviceSetting is one setting of a device: what it is, and what it may be.
type DeviceSetting struct {
	Device  string   `json:"device"`
	Key     string   `json:"key"`
	Value   string   `json:"value"` // empty: not known
	Unit    string   `json:"unit,omitempty"`
	How     string   `json:"how,omitempty"` // one of the How words
	Title   string   `json:"title,omitempty"`
	Kind    string   `json:"kind,omitempty"` // "duration", "integer", "number", "boolean", "word", "text"; empty: cannot be set
	Min     string   `json:"min,omitempty"`  // with unit; empty: no limit
	Max     string   `json:"max,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Locked  string   `json:"locked,omitempty"` // why it cannot be set just now or here; empty: it can
}
