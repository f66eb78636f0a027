package protocol

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Labels keep the two directions apart: neither end can send the other's mac back.
const (
	dialerLabel   = "photongate 1 dialer"
	listenerLabel = "photongate 1 listener"
)

// ProofMAC is the mac of a proof (SPEC.md, section 9.1), 64 hex digits: that of
// the dialer, or of the end it dialled. The hellos are their payloads as they crossed
// the wire; binding is the SHA-256 of the gateway's certificate (DER), or empty
// without TLS.
func ProofMAC(token []byte, dialer bool, dialerHello, listenerHello, binding []byte) string {
	mac := hmac.New(sha256.New, token)
	if dialer {
		mac.Write([]byte(dialerLabel))
	} else {
		mac.Write([]byte(listenerLabel))
	}
	for _, hello := range [][]byte{dialerHello, listenerHello} {
		mac.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(hello))))
		mac.Write(hello)
	}
	mac.Write(binding)
	return hex.EncodeToString(mac.Sum(nil))
}

// EqualMAC compares two macs in constant time. An empty one equals nothing.
func EqualMAC(a, b string) bool {
	return a != "" && hmac.Equal([]byte(a), []byte(b))
}
