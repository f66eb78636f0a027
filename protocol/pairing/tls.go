package pairing

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
)

// ErrChangedKey says that the other end does not have the key of the gateway
// that was paired.
var ErrChangedKey = errors.New("the key is not the one that was paired")

// ChangedKey is an ErrChangedKey with the fingerprints, as they stand in the
// line.
type ChangedKey struct{ Want, Got string }

// Error says both fingerprints.
func (e *ChangedKey) Error() string {
	return ErrChangedKey.Error() + ": expected " + e.Want + ", got " + e.Got
}

// Is reports true for ErrChangedKey.
func (e *ChangedKey) Is(target error) bool { return target == ErrChangedKey }

// Binding is what a proof is bound to over TLS: the SHA-256 of the gateway's
// certificate (DER).
func Binding(certDER []byte) []byte {
	sum := sha256.Sum256(certDER)
	return sum[:]
}

// UnknownKey says that no pairing has the key that a gateway shows, which dialled.
type UnknownKey struct{ Got string } // the fingerprint, as it stands in the line

// Error says the fingerprint.
func (e *UnknownKey) Error() string { return "no gateway that is paired has the key " + e.Got }

// ClientTLS is for a receiver that dials: TLS 1.3, and a certificate with the
// fingerprint of the pairing, whatever its names and dates. Another one is an
// *ChangedKey; nothing was said to it then.
func (p Pairing) ClientTLS() *tls.Config {
	want, wantErr := hex.DecodeString(p.CertificateSHA256)
	return receiverTLS(func(got []byte) error {
		if wantErr != nil {
			return wantErr
		}
		if subtle.ConstantTimeCompare(got, want) != 1 {
			return &ChangedKey{Want: text32.EncodeToString(want), Got: text32.EncodeToString(got)}
		}
		return nil
	})
}

// DialledTLS is for a receiver that a gateway dials: TLS 1.3, and a certificate
// with a fingerprint (its SHA-256, 64 hex digits) that is known, whatever its names
// and dates. Another one is an *UnknownKey; nothing was said to it then.
func DialledTLS(known func(certificateSHA256 string) bool) *tls.Config {
	return receiverTLS(func(got []byte) error {
		if !known(hex.EncodeToString(got)) {
			return &UnknownKey{Got: text32.EncodeToString(got)}
		}
		return nil
	})
}

// receiverTLS has the SHA-256 of the gateway's certificate checked.
func receiverTLS(check func(got []byte) error) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The certificate is the gateway's own work and its names and dates mean
		// nothing (SPEC.md, section 9.1); VerifyConnection compares all of it.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the gateway shows no certificate")
			}
			return check(Binding(state.PeerCertificates[0].Raw))
		},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
}
