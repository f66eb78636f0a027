package pairing

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of the files of an Identity.
const (
	KeyFile   = "tls.pem"
	TokenFile = "token"
)

// oldTokens is how many renewed tokens are remembered, to tell those who still
// show one.
const oldTokens = 8

// Identity is what a gateway proves itself with: a TLS key with a certificate,
// and a token. It may be used concurrently.
type Identity struct {
	dir  string
	cert tls.Certificate
}

// LoadIdentity reads the identity in a folder, which must exist, and makes what
// is missing of it: a new gateway's files tls.pem and token, readable by its user only.
// What is there and damaged is never replaced: errors are sentences that say
// what to do. One process at a time may make it.
func LoadIdentity(dir string) (*Identity, error) {
	id := &Identity{dir: dir}
	if err := id.loadKey(); err != nil {
		return nil, err
	}
	if _, err := id.Tokens(); errors.Is(err, fs.ErrNotExist) {
		if err := id.writeTokens(Tokens{Current: newToken()}); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return id, nil
}

// FindIdentity reads the key of the identity in a folder, and makes nothing:
// without one the error is fs.ErrNotExist. The token is read when it is needed.
func FindIdentity(dir string) (*Identity, error) {
	if _, err := os.Stat(filepath.Join(dir, KeyFile)); err != nil {
		return nil, err
	}
	id := &Identity{dir: dir}
	return id, id.loadKey()
}

func (id *Identity) loadKey() error {
	path := filepath.Join(id.dir, KeyFile)
	text, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newKey(); err == nil {
			err = writeSecret(path, text)
		}
	}
	if err != nil {
		return err
	}
	id.cert, err = tls.X509KeyPair(text, text)
	if err != nil {
		return fmt.Errorf("%s is damaged (%w): put it back from a copy, or remove it: then the gateway makes a new key, and all workstations must be paired anew", path, err)
	}
	return nil
}

// newKey makes a key and its certificate, as PEM. ECDSA with P-256 is what
// every TLS library knows. The dates are those that mean "for ever" (RFC 5280,
// 4.1.2.5): a Pi without a clock starts in 1970.
func newKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var serial [16]byte
	rand.Read(serial[:]) // never fails: crypto/rand ends the program rather than return an error
	serial[0] = serial[0]&0x7f | 0x40
	template := x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: "photongate"},
		NotBefore:    time.Unix(0, 0).UTC(),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, block := range []pem.Block{{Type: "PRIVATE KEY", Bytes: private}, {Type: "CERTIFICATE", Bytes: der}} {
		if err := pem.Encode(&b, &block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// ServerTLS is for the gateway: TLS 1.3, no certificates of clients.
func (id *Identity) ServerTLS() *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{id.cert},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true, // it is for web pages: small records cost the most for bulk data
	}
}

// Binding is what a proof over TLS is bound to; see [Binding].
func (id *Identity) Binding() []byte { return Binding(id.cert.Certificate[0]) }

// Fingerprint is the fingerprint as it stands in the line: 43 characters.
func (id *Identity) Fingerprint() string { return text32.EncodeToString(id.Binding()) }

// Tokens are the token of a gateway and those it had before.
type Tokens struct {
	Current []byte
	Old     []OldToken // the latest first
}

// OldToken is a token that was renewed.
type OldToken struct {
	Token []byte
	Until string // the day it was renewed, 2026-11-21
}

// Tokens reads the tokens from their file, so that what another process renewed
// holds at once.
func (id *Identity) Tokens() (Tokens, error) {
	path := filepath.Join(id.dir, TokenFile)
	text, err := readSecret(path)
	if err != nil {
		return Tokens{}, err
	}
	t, err := decodeTokens(text)
	if err != nil {
		return Tokens{}, fmt.Errorf("%s is damaged (%w): put it back from a copy, or renew the token with `photongate pair --renew` and pair all workstations anew", path, err)
	}
	return t, nil
}

// decodeTokens reads the file: the token, and then lines "old TOKEN DAY".
func decodeTokens(text []byte) (Tokens, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	current, err := decode32(strings.TrimSpace(first))
	if err != nil {
		return Tokens{}, fmt.Errorf("the token %w", err)
	}
	t := Tokens{Current: current}
	for line := range strings.Lines(rest) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 || words[0] != "old" || len(t.Old) == oldTokens {
			return Tokens{}, errors.New("what stands below the token is no list of old ones")
		}
		old, err := decode32(words[1])
		if err != nil {
			return Tokens{}, fmt.Errorf("an old token %w", err)
		}
		if _, err := time.Parse(time.DateOnly, words[2]); err != nil {
			return Tokens{}, errors.New("an old token has no date")
		}
		t.Old = append(t.Old, OldToken{Token: old, Until: words[2]})
	}
	return t, nil
}

// Renew makes a new token in place of the one there is, which is remembered as
// old. A token file that is damaged is replaced.
func (id *Identity) Renew(now time.Time) error {
	t, err := id.Tokens()
	if err != nil {
		t = Tokens{}
	} else {
		t.Old = slices.Insert(t.Old, 0, OldToken{Token: t.Current, Until: now.UTC().Format(time.DateOnly)})
	}
	t.Current, t.Old = newToken(), t.Old[:min(len(t.Old), oldTokens)]
	return id.writeTokens(t)
}

func newToken() []byte {
	token := make([]byte, tokenBytes)
	rand.Read(token) // never fails: crypto/rand ends the program rather than return an error
	return token
}

func (id *Identity) writeTokens(t Tokens) error {
	var b strings.Builder
	fmt.Fprintln(&b, text32.EncodeToString(t.Current))
	for _, old := range t.Old {
		fmt.Fprintln(&b, "old", text32.EncodeToString(old.Token), old.Until)
	}
	return writeSecret(filepath.Join(id.dir, TokenFile), []byte(b.String()))
}

// Pairing is what a workstation must know of the gateway of that name.
func (id *Identity) Pairing(name string, addresses []string) (Pairing, error) {
	t, err := id.Tokens()
	if err != nil {
		return Pairing{}, err
	}
	sum := sha256.Sum256(id.cert.Certificate[0])
	return Pairing{
		Format: formatNumber, Name: name, Gateway: name, Addresses: addresses,
		CertificateSHA256: hex.EncodeToString(sum[:]), Token: text32.EncodeToString(t.Current),
	}, nil
}
