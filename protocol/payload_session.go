package protocol

import "fmt"

// Hello opens a session, from either end.
type Hello struct {
	Format   [2]int   `json:"format"` // lowest and highest major number understood
	Role     string   `json:"role"`   // RoleGateway or RoleReceiver
	Name     string   `json:"name"`
	ID       ID       `json:"id"` // of the journal, or of the archive
	Software string   `json:"software"`
	Nonce    ID       `json:"nonce"` // random
	Wants    []string `json:"wants,omitempty"`
	Needs    []string `json:"needs,omitempty"` // an unknown one is refused; version 1 defines none

	// Only from a gateway, and always but for Boot.
	Base  ID     `json:"base,omitzero"` // time base
	Boot  string `json:"boot,omitempty"`
	NowNs Int64  `json:"now_ns,omitzero"` // of the time base
	UTCNs Int64  `json:"utc_ns,omitzero"`
}

// Roles of a Hello.
const (
	RoleGateway  = "gateway"
	RoleReceiver = "receiver"
)

func (h *Hello) required() []string {
	keys := []string{"format", "role", "name", "id", "software", "nonce"}
	if h.Role == RoleGateway {
		keys = append(keys, "base", "now_ns", "utc_ns")
	}
	return keys
}

// Proof shows that its sender knows the token; see ProofMAC.
type Proof struct {
	MAC    string   `json:"mac"`
	Rights []string `json:"rights,omitempty"` // from the gateway: what this session may do
}

func (*Proof) required() []string { return []string{"mac"} }

// Rights of a session.
const (
	RightRead    = "read"
	RightArchive = "archive"
	RightChange  = "change"
)

// Refusal is the payload of refuse: the sender closes after it. It is an error
// as well, for the end that was refused.
type Refusal struct {
	Code string `json:"code"` // one of the Refuse words
	Text string `json:"text,omitempty"`
}

func (*Refusal) required() []string { return []string{"code"} }

// Error says the code, and the text for people.
func (r Refusal) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("refused (%s)", r.Code)
	}
	return fmt.Sprintf("refused (%s): %s", r.Code, r.Text)
}

// Codes of a Refusal.
const (
	RefuseVersion   = "version"
	RefuseBusy      = "busy"
	RefuseName      = "name"      // the name is known with another id
	RefuseDisplaced = "displaced" // a newer session of the same archive
	RefuseToken     = "token"
	RefuseRights    = "rights"
	RefuseProtocol  = "protocol"
	RefuseLimit     = "limit"
	RefuseUnknown   = "unknown"
)

// Subscribe asks for streams.
type Subscribe struct {
	Sub     int          `json:"sub"`     // chosen by the receiver, 1..65535
	Kind    string       `json:"kind"`    // SubscribeArchive or SubscribeView
	Streams List[string] `json:"streams"` // patterns: * any characters, ? one
	From    string       `json:"from"`    // one of the From words
	TimeNs  *Int64       `json:"time_ns,omitempty"`
	Cursors []Cursor     `json:"cursors,omitempty"` // for FromCursor: last frames held
	Rest    string       `json:"rest,omitempty"`    // for FromCursor: FromNow or FromOldest, for streams without a cursor
	ToNs    *Int64       `json:"to_ns,omitempty"`   // ends before the first frame that begins at or after it
	Credit  Uint64       `json:"credit"`            // bytes that may be sent before more credit
	// TakeOver makes a name that is known with another archive id that of this
	// archive; the other is forgotten. SubscribeArchive only.
	TakeOver bool `json:"take_over,omitempty"`
}

func (*Subscribe) required() []string { return []string{"sub", "kind", "streams", "from", "credit"} }

// Kinds of a subscription.
const (
	SubscribeArchive = "archive" // all frames in order, acked
	SubscribeView    = "view"    // may be moved forward, never acked
)

// Words of Subscribe.From.
const (
	FromNow      = "now"
	FromNextGate = "next-gate"
	FromOldest   = "oldest"
	FromTime     = "time"
	FromCursor   = "cursor"
)

// Cursor names the last frame held of a stream.
type Cursor struct {
	Stream string `json:"stream"`
	Epoch  uint32 `json:"epoch"`
	Seq    Uint64 `json:"seq"`
	CRC    CRC    `json:"crc"` // of its header
}

// Subscribed answers a Subscribe, or tells of a stream that appeared later.
type Subscribed struct {
	Sub     int                    `json:"sub"`
	Streams List[SubscribedStream] `json:"streams"`
}

func (*Subscribed) required() []string { return []string{"sub", "streams"} }

// SubscribedStream is one stream of a Subscribed.
type SubscribedStream struct {
	Name   string  `json:"name"`
	ID     uint32  `json:"id"`
	Answer string  `json:"answer"`          // one of the Answer words
	Epoch  uint32  `json:"epoch,omitempty"` // of the next frame that will be sent
	Seq    Uint64  `json:"seq,omitzero"`    // of the next frame that will be sent
	Oldest *Extent `json:"oldest,omitempty"`
	Newest *Extent `json:"newest,omitempty"`

	Confirmed *FramePlace `json:"confirmed,omitempty"` // archive: what it had acked before, where its cursor lies before that
}

// FramePlace names a frame of a stream.
type FramePlace struct {
	Epoch uint32 `json:"epoch"`
	Seq   Uint64 `json:"seq"`
}

// Answers to a cursor.
const (
	AnswerStart          = "start"
	AnswerResumed        = "resumed"
	AnswerHole           = "hole"
	AnswerAhead          = "ahead"
	AnswerDiverged       = "diverged"
	AnswerUnknownJournal = "unknown journal"
)

// Extent is one end of what a gateway holds of a stream.
type Extent struct {
	Epoch  uint32 `json:"epoch"`
	Seq    Uint64 `json:"seq"`
	TimeNs Int64  `json:"time_ns"`
}

// Turn says to which subscription the frames from here on belong.
type Turn struct {
	Sub int `json:"sub"`
}

func (*Turn) required() []string { return []string{"sub"} }

// Credit allows so many more bytes.
type Credit struct {
	Sub   int    `json:"sub"`
	Bytes Uint64 `json:"bytes"`
}

func (*Credit) required() []string { return []string{"sub", "bytes"} }

// Ack says what is synced at the archive.
type Ack struct {
	Sub     int             `json:"sub"`
	Streams List[AckStream] `json:"streams"`
}

func (*Ack) required() []string { return []string{"sub", "streams"} }

// AckStream says that all up to Seq, in order, is synced.
type AckStream struct {
	ID    uint32 `json:"id"`
	Epoch uint32 `json:"epoch"`
	Seq   Uint64 `json:"seq"`
}

// Heartbeat crosses every second both ways.
type Heartbeat struct {
	TNs     Int64  `json:"t_ns"` // own clock
	Echo    *Echo  `json:"echo,omitempty"`
	Trouble string `json:"trouble,omitempty"` // of a receiver: what keeps its archive from taking frames, for people
}

func (*Heartbeat) required() []string { return []string{"t_ns"} }

// Echo returns the other end's last heartbeat.
type Echo struct {
	TNs        Int64 `json:"t_ns"`        // the other's clock
	ReceivedNs Int64 `json:"received_ns"` // own clock when it came
}

// Skip says that a view goes on at this frame.
type Skip struct {
	Sub    int    `json:"sub"`
	Stream uint32 `json:"stream"`
	Epoch  uint32 `json:"epoch"`
	Seq    Uint64 `json:"seq"`
}

func (*Skip) required() []string { return []string{"sub", "stream", "epoch", "seq"} }

// Bad says that a frame arrived bad.
type Bad struct {
	Sub    int    `json:"sub"`
	Stream uint32 `json:"stream"`
	Epoch  uint32 `json:"epoch"`
	Seq    Uint64 `json:"seq"`
	Detail string `json:"detail,omitempty"`
}

func (*Bad) required() []string { return []string{"sub", "stream", "epoch", "seq"} }

// Finished says that Subscribe.ToNs was reached in all streams.
type Finished struct {
	Sub int `json:"sub"`
}

func (*Finished) required() []string { return []string{"sub"} }

// Bye ends a session in good order.
type Bye struct {
	Reason string `json:"reason,omitempty"`
}
