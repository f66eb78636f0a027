package umass

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"photongate/device"
)

const (
	defaultPacket = 85 // records: 510 bytes, the largest packet of whole ones
	mostVersion   = 255
)

var (
	tagger  = device.USBID{Vendor: 0x04b4, Product: 0x1004, Shared: true} // examples for the FX2 use it, too
	bareFX2 = device.USBID{Vendor: 0x04b4, Product: 0x8613, Shared: true} // any board with this chip
)

// Driver reads the UMass timetagger.
var Driver = device.Driver{
	Name:      "umass",
	Title:     "UMass FPGA timetagger (B. Gamari; Xylo-EM board)",
	Transport: device.USB,
	USB:       []device.USBID{tagger, bareFX2},
	Identity:  device.Confirmed,
	Options: []device.Option{
		{
			Name: "strobes", Title: `inputs whose rising edges are recorded: "0 1 2 3", or "none"`,
			Kind: device.Text, Default: "as they are; all four where none is on", Check: checkInputs,
		},
		{
			Name: "deltas", Title: `inputs whose edges of both directions are recorded, as markers: "0 1 2 3", or "none"`,
			Kind: device.Text, Default: "as they are", Check: checkInputs,
		},
		{
			Name: "packet", Title: "records that the tagger collects before it sends them: few for low rates, 85 for the highest",
			Kind: device.Integer, Default: "85", Min: 1, Max: defaultPacket,
		},
	},
	Inputs: device.Inputs{
		Title: `S0 to S3, or "strobe 0" to "strobe 3"; D0+ D0- to D3+ D3-, or "delta 0 rising" and so on`,
		May:   channelInput.MatchString,
		Tags:  func(device.Settings) (device.Tick, bool) { return device.Tick{}, true }, // it tells its clock
		Known: func(s device.Settings) []device.Channel {
			strobes, deltas := uint32(inputMask), uint32(0)
			if text, named := s["strobes"].(string); named {
				strobes, _ = parseInputs(text)
			}
			if text, named := s["deltas"].(string); named {
				deltas, _ = parseInputs(text)
			}
			return wire(strobes, deltas).channels
		},
	},
	Open:   open,
	Quirks: quirks,
	About:  about,
}

var channelInput = regexp.MustCompile(`^(S[0-3]|D[0-3][+-]|strobe [0-3]|delta [0-3] (rising|falling))$`)

// parseInputs reads the options strobes and deltas.
func parseInputs(text string) (mask uint32, err error) {
	if strings.TrimSpace(text) == "none" {
		return 0, nil
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	for _, word := range words {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= inputs || mask>>n&1 != 0 {
			return 0, fmt.Errorf("%q: expected numbers from 0 to 3, each once, such as \"0 2\", or \"none\"", text)
		}
		mask |= 1 << n
	}
	if len(words) == 0 {
		return 0, fmt.Errorf("%q: expected numbers from 0 to 3, or \"none\"", text)
	}
	return mask, nil
}

func checkInputs(v any) error {
	text, _ := v.(string)
	_, err := parseInputs(text)
	return err
}

// inputList writes a mask as the options have it.
func inputList(mask uint32) string {
	var list []string
	for n := range inputs {
		if mask>>n&1 != 0 {
			list = append(list, strconv.Itoa(n))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, " ")
}

const (
	fpga  = "bgamari/timetag-fpga"
	tools = "bgamari/timetag-tools timetagger.cpp"
)

// quirks are what public sources warn of or leave open.
var quirks = []device.Quirk{
	{
		Name: "wrap record", Title: "at the wrap of the time a record of no input comes; published programs add a tick too few there", Source: fpga + " event_tagger.v; bgamari/timetag-tools record.cpp",
		Met: func(talk []device.Exchange) string {
			return countRecords(talk, "records with the wrap flag", func(w uint64) bool { return w&wrapBit != 0 })
		},
	},
	{
		Name: "lost flag", Title: "the first record after others that found no room says so", Source: fpga + " docs/performance-characteristics",
		Met: func(talk []device.Exchange) string {
			return countRecords(talk, "records with the lost flag", func(w uint64) bool { return w&lostBit != 0 })
		},
	},
	{
		Name: "cut record", Title: "a packet of data may end inside a record at an overflow", Source: tools,
		Met: func(talk []device.Exchange) string {
			n := 0
			for _, e := range data(talk) {
				if len(e)%recordBytes != 0 {
					n++
				}
			}
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("%d packets end inside a record", n)
		},
	},
}

// data are the packets of a conversation that are no answers.
func data(talk []device.Exchange) (list [][]byte) {
	for _, e := range talk {
		if !e.Sent && len(e.Bytes) != replyBytes {
			list = append(list, e.Bytes)
		}
	}
	return list
}

func countRecords(talk []device.Exchange, what string, is func(uint64) bool) string {
	n := 0
	for _, p := range data(talk) {
		p = append(slices.Clone(p), 0, 0)
		for ; len(p) >= recordBytes+2; p = p[recordBytes:] {
			if w := word(p); w&unusedMask == 0 && is(w) {
				n++
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}
