package usb

// Status is how a transfer ended.
type Status int

// The ends of a transfer.
const (
	Done    Status = iota
	Stalled        // the device refused it
	Babble         // a packet came that was longer than the room left for it
	Short          // less came than was asked for, and the host had said that it minds
	Nowhere        // the device has no such endpoint
)

// Transfer is one transfer a host asked for. Who submits one does not touch it until
// it is completed or unlinked.
type Transfer struct {
	// ID is the host's number for it.
	ID uint32
	// Endpoint is the address, with bit 7 set if data go to the host; for a control
	// request, whose endpoint is 0, Setup tells.
	Endpoint uint8
	Setup    Setup
	// Data are what the host sends, or the room for what it gets.
	Data []byte
	// ShortIsError makes fewer bytes than there is room for end with Short.
	ShortIsError bool
	// ZeroEnds sends a packet of no bytes behind data that end with a full packet.
	ZeroEnds bool

	// Moved is how many bytes of Data went either way, Status how it ended.
	Moved  int
	Status Status
}

// Host is a computer that has the device. Both methods take what they are given and
// do not wait.
type Host interface {
	// Complete hands a finished transfer back.
	Complete(*Transfer)
	// Unlinked answers a wish to forget a transfer: with that transfer, or with nil when
	// it had been completed before.
	Unlinked(request uint32, t *Transfer)
}

// HappeningKind says what a host did.
type HappeningKind int

// What a host does.
const (
	Imported  HappeningKind = iota // it has the device from now on
	Submitted                      // it wants Happening.Transfer done
	Unlink                         // it wants transfer number Happening.Victim forgotten, by request number Happening.Request
	Gone                           // it has left
)

// Happening is one thing a host did.
type Happening struct {
	Kind            HappeningKind
	Host            Host
	Transfer        *Transfer
	Request, Victim uint32
}

// Port is where hosts come to. At most one has the device at a time, and what it does
// lies between its Imported and its Gone. All methods belong to one goroutine.
type Port interface {
	// Ready has an element whenever Poll may have something.
	Ready() <-chan struct{}
	// Poll takes the next thing that happened.
	Poll() (Happening, bool)
	// Offer plugs the device in: a host may take it from now on.
	Offer(Descriptors) error
	// Withdraw pulls it out: the host that has it loses it.
	Withdraw() error
	// Where says in words where a host finds the device.
	Where() string
	// Close frees everything and waits for the port's goroutines.
	Close() error
}
