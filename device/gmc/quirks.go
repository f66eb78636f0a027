package gmc

import (
	"fmt"
	"time"

	"photongate/device"
)

const (
	doc1201 = "Wikilicious/pygmc pygmc/documentation/GQ-RFC1201.txt"
	doc1801 = "Wikilicious/pygmc pygmc/documentation/GQ-RFC1801.txt"
	pygmc   = "Wikilicious/pygmc pygmc/devices"
)

// quirks are what public sources warn of, leave open or contradict each other in.
var quirks = []device.Quirk{
	{
		Name: "version", Title: "13 to 16 characters without an end; a model sold as Plus may not say so",
		Source: pygmc + "/auto_get_device.py",
		Met: func(talk []device.Exchange) string {
			if b := answerTo(talk, getVer); b != nil {
				return fmt.Sprintf("%d characters, %q", len(b), b)
			}
			return ""
		},
	},
	{
		Name: "left beating", Title: "a unit whose heartbeat was left on corrupts answers; the driver sends HEARTBEAT0 first",
		Source: pygmc + "/device_rfc1201.py",
		Met: func(talk []device.Exchange) string {
			b := append(answerTo(talk, ""), answerTo(talk, beatOff)...)
			if len(b) == 0 {
				return ""
			}
			return fmt.Sprintf("%d bytes came before anything was asked: %s", len(b), device.ShowBytes(b[:min(len(b), 16)]))
		},
	},
	{
		Name: "reserved bits", Title: "the upper two of the 16 bits are reserved, and may be set",
		Source: doc1201, Met: reserved,
	},
	{
		Name: "heartbeat of 10 1C", Title: "the document gives it as 28 counts, against its own 14 bits: 4124",
		Source: doc1201, Met: contradiction,
	},
	{
		Name: "model 800", Title: "sold as of RFC1201, it sends four bytes", Source: pygmc + "/device_spec404.py",
		Met: func(talk []device.Exchange) string {
			v, ok := parseVersion(answerTo(talk, getVer))
			sizes := sizesOf(talk)
			if !ok || v.protocol() != rfc1801 || len(v.model) < 7 || v.model[:7] != "GMC-800" || len(sizes) == 0 {
				return ""
			}
			return fmt.Sprintf("bursts of %d bytes", sizes[0])
		},
	},
	{
		Name: "byte slip", Title: "a lost or additional byte shows as absurd values; the driver begins anew after the pause of each second",
		Source: pygmc + "/device_rfc1201.py",
		Met: func(talk []device.Exchange) string {
			n, first := 0, ""
			for _, p := range cutTalk(talk, end(talk)) {
				if p.Kind == device.Unfit {
					if n++; n == 1 {
						first = p.What
					}
				}
			}
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("%d bursts, the first: %s", n, first)
		},
	},
	{
		Name: "voltage", Title: "one byte of tenths, or five of text of which the document's example has four", Source: doc1201 + "; " + doc1801,
		Met: func(talk []device.Exchange) string {
			if b := answerTo(talk, getVolt); b != nil {
				return device.ShowBytes(b)
			}
			return ""
		},
	},
}

// end is when a conversation is over for sure.
func end(talk []device.Exchange) time.Duration {
	if len(talk) == 0 {
		return 0
	}
	return talk[len(talk)-1].At + time.Minute
}

// answerTo returns what came the first time that a command was answered; the empty
// command stands for before anything was sent.
func answerTo(talk []device.Exchange, command string) []byte {
	last := ""
	var answer []byte
	for _, e := range talk {
		if e.Sent {
			if answer != nil {
				break
			}
			last = string(e.Bytes)
		} else if last == command {
			answer = append(answer, e.Bytes...)
		}
	}
	return answer
}

// beatsOf returns the bytes of each burst after the heartbeat was switched on.
func beatsOf(talk []device.Exchange) [][]byte {
	var list [][]byte
	on, at := false, time.Duration(0)
	for _, e := range talk {
		switch {
		case e.Sent:
			on, at = string(e.Bytes) == beatOn, e.At-burstGap
		case on && e.At-at >= burstGap:
			list, at = append(list, append([]byte(nil), e.Bytes...)), e.At
		case on:
			list[len(list)-1], at = append(list[len(list)-1], e.Bytes...), e.At
		}
	}
	return list
}

func sizesOf(talk []device.Exchange) (sizes []int) {
	for _, b := range beatsOf(talk) {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// reserved counts heartbeats of two bytes whose upper bits are set.
func reserved(talk []device.Exchange) string {
	n, all := 0, 0
	for _, b := range beatsOf(talk) {
		if len(b) != rfc1201.size() {
			continue
		}
		all++
		if b[0]>>6 != 0 {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("set in %d of %d heartbeats", n, all)
}

// contradiction tells of heartbeats that all have bit 12 set, as in the document.
func contradiction(talk []device.Exchange) string {
	const enough = 10
	n := 0
	for _, b := range beatsOf(talk) {
		if len(b) == rfc1201.size() {
			if b[0]&0x3F != 0x10 {
				return ""
			}
			n++
		}
	}
	if n < enough {
		return ""
	}
	return fmt.Sprintf("the upper byte is 10 in all of %d heartbeats: only the lower one may count", n)
}
