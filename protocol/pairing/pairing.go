package pairing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"photongate/protocol"
)

const (
	formatNumber = 1
	tokenBytes   = 32
	secretText   = 43 // characters of 32 bytes in base64url without padding
	maxAddresses = 32
	maxLine      = 8 << 10
	defaultPort  = "7310"
)

// text32 is how 32 bytes are written in the line and as a token.
var text32 = base64.RawURLEncoding.Strict()

// Pairing is what a workstation knows of a gateway.
type Pairing struct {
	Format            int         `json:"format"`             // 1
	Name              string      `json:"name"`               // how the user calls the gateway
	Gateway           string      `json:"gateway"`            // what it calls itself
	Journal           protocol.ID `json:"journal,omitzero"`   // of its journal; zero: not known yet
	Addresses         []string    `json:"addresses"`          // host:port, in the order in which they are to be tried; none: it cannot be dialled, and dials
	CertificateSHA256 string      `json:"certificate_sha256"` // of the DER, 64 hex digits
	Token             string      `json:"token"`              // 43 characters of base64url
}

// ErrLine is wrapped by errors of a line that cannot be one of a gateway's.
var ErrLine = errors.New("not a pairing line")

// ParseLine reads the line that a gateway prints to be pasted:
// NAME@ADDRESS[,ADDRESS].../FINGERPRINT/TOKEN, with or without the command
// before it, also when it was broken into several lines on its way. A gateway
// that only dials has no address in it. Errors are sentences, and hold no
// secret. Journal stays zero.
func ParseLine(s string) (Pairing, error) {
	wrong := func(format string, args ...any) (Pairing, error) {
		return Pairing{}, fmt.Errorf("%w: %s; copy the whole line that the gateway prints at its start, or `photongate pair` there", ErrLine, fmt.Sprintf(format, args...))
	}
	if len(s) > maxLine {
		return wrong("%d characters are too many", len(s))
	}
	words := strings.Fields(s)
	for i, word := range words {
		if word == "pair" {
			words = words[i+1:]
			break
		}
	}
	text := strings.Trim(strings.Join(words, ""), "'\"`")
	name, rest, found := strings.Cut(text, "@")
	if !found {
		return wrong("there is no @ behind a name")
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return wrong("behind the @ are %d parts with / between them, not 3", len(parts))
	}
	if err := protocol.CheckName(name); err != nil {
		return wrong("%v", err)
	}
	p := Pairing{Format: formatNumber, Name: name, Gateway: name, Addresses: []string{}, Token: parts[2]}
	for address := range strings.SplitSeq(parts[0], ",") {
		if parts[0] == "" {
			break
		}
		hostPort, err := checkAddress(address)
		if err != nil {
			return wrong("%v", err)
		}
		p.Addresses = append(p.Addresses, hostPort)
	}
	fingerprint, err := decode32(parts[1])
	if err != nil {
		return wrong("its fingerprint (between the two /) %v", err)
	}
	p.CertificateSHA256 = hex.EncodeToString(fingerprint)
	if err := p.check(); err != nil {
		return wrong("%v", err)
	}
	return p, nil
}

// Where says in words where the gateway is.
func (p Pairing) Where() string {
	if len(p.Addresses) == 0 {
		return "no address (it dials)"
	}
	return strings.Join(p.Addresses, ", ")
}

// Line is NAME@ADDRESS[,ADDRESS].../FINGERPRINT/TOKEN. Whoever has it may
// read, archive and change. A pairing without a proper fingerprint gives "".
func (p Pairing) Line() string {
	der, err := hex.DecodeString(p.CertificateSHA256)
	if err != nil {
		return ""
	}
	return p.Gateway + "@" + strings.Join(p.Addresses, ",") + "/" + text32.EncodeToString(der) + "/" + p.Token
}

// ParseToken reads a token as it stands in a file of its own, such as the
// gateway's: 43 characters in the first line. Errors hold no secret.
func ParseToken(text []byte) ([]byte, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	b, err := decode32(strings.TrimSpace(first))
	if err != nil {
		return nil, fmt.Errorf("the token %w", err)
	}
	return b, nil
}

// TokenBytes is the token as the key of protocol.ProofMAC: 32 bytes.
func (p Pairing) TokenBytes() ([]byte, error) {
	b, err := decode32(p.Token)
	if err != nil {
		return nil, fmt.Errorf("the token %w", err)
	}
	return b, nil
}

// decode32 reads 43 characters. Its errors tell nothing of them but their
// number, since they may be a secret.
func decode32(s string) ([]byte, error) {
	if len(s) != secretText {
		return nil, fmt.Errorf("has %d characters, not %d", len(s), secretText)
	}
	b, err := text32.DecodeString(s)
	if err != nil {
		return nil, errors.New("holds characters that do not belong there")
	}
	return b, nil
}

// checkAddress brings an address of a line or file into the form host:port.
func checkAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("address %.80q is not host:port", address)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("address %.80q has no port from 1 to 65535", address)
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, notInHosts) {
		return "", fmt.Errorf("address %.80q names no host", address)
	}
	return net.JoinHostPort(host, port), nil
}

// notInHosts reports characters that are in no name, number or zone of a host.
func notInHosts(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("/\\,@[]\"'`", r) || r == '�'
}

// check checks what a line or file says. Its errors hold no secret.
func (p Pairing) check() error {
	if err := protocol.CheckName(p.Name); err != nil {
		return err
	}
	if err := protocol.CheckName(p.Gateway); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if len(p.Addresses) > maxAddresses {
		return fmt.Errorf("there are %d addresses, expected at most %d", len(p.Addresses), maxAddresses)
	}
	for _, a := range p.Addresses {
		if hostPort, err := checkAddress(a); err != nil {
			return err
		} else if hostPort != a {
			return fmt.Errorf("address %.80q is not host:port", a)
		}
	}
	if der, err := hex.DecodeString(p.CertificateSHA256); err != nil || len(der) != sha256.Size || hex.EncodeToString(der) != p.CertificateSHA256 {
		return errors.New("certificate_sha256 is not made of 64 hex digits")
	}
	_, err := p.TokenBytes()
	return err
}
