package pairing

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestIdentityIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindIdentity(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first start: %v", err)
	}
	first, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{KeyFile, TokenFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	again, err := FindIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := first.Pairing("pi-lab3", []string{"h:1"})
	if err != nil {
		t.Fatal(err)
	}
	q, err := again.Pairing("pi-lab3", []string{"h:1"})
	if err != nil || p.Line() != q.Line() {
		t.Errorf("the identity changed: %v", err)
	}
	if len(first.Fingerprint()) != 43 || !strings.Contains(p.Line(), "/"+first.Fingerprint()+"/") {
		t.Errorf("fingerprint %s, line %s", first.Fingerprint(), p.Line())
	}
	other, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if other.Fingerprint() == first.Fingerprint() {
		t.Error("two gateways have one key")
	}
	cert, err := x509.ParseCertificate(first.cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if cert.NotBefore.Unix() > 0 || cert.NotAfter.Year() != 9999 {
		t.Errorf("the certificate is good from %v to %v", cert.NotBefore, cert.NotAfter)
	}
}

func TestRenew(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	before, err := id.Tokens()
	if err != nil || len(before.Old) != 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	if err := id.Renew(day); err != nil {
		t.Fatal(err)
	}
	after, err := id.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	if string(after.Current) == string(before.Current) || len(after.Old) != 1 || string(after.Old[0].Token) != string(before.Current) || after.Old[0].Until != "2026-11-21" {
		t.Errorf("got %+v", after)
	}
	for range 20 {
		if err := id.Renew(day); err != nil {
			t.Fatal(err)
		}
	}
	if last, err := id.Tokens(); err != nil || len(last.Old) != oldTokens {
		t.Errorf("%d old tokens, %v", len(last.Old), err)
	}
	if err := os.WriteFile(filepath.Join(dir, TokenFile), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(dir); err == nil || !strings.Contains(err.Error(), "photongate pair --renew") {
		t.Errorf("damaged: %v", err)
	}
	found, err := FindIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Renew(day); err != nil {
		t.Error(err)
	}
	if last, err := id.Tokens(); err != nil || len(last.Old) != 0 || len(last.Current) != 32 {
		t.Errorf("after mending: %+v, %v", last, err)
	}
}

func TestIdentityDamaged(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadIdentity(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, KeyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(dir); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "paired anew") {
		t.Errorf("got %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || len(now) != len(text)/2 {
		t.Errorf("a damaged key was replaced: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(dir); !errors.Is(err, ErrTooOpen) {
		t.Errorf("got %v", err)
	}
}

// handshake connects two ends, and returns what the dialer says.
func handshake(t *testing.T, server, client *tls.Config) (*tls.Conn, error) {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	go func() {
		s := tls.Server(there, server)
		if s.Handshake() == nil {
			_, _ = io.Copy(s, s) // until the other end leaves
		}
		there.Close()
	}()
	c := tls.Client(here, client)
	return c, c.Handshake()
}

func TestTLS(t *testing.T) {
	id, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := id.Pairing("pi-lab3", []string{"h:1"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := handshake(t, id.ServerTLS(), p.ClientTLS())
	if err != nil {
		t.Fatal(err)
	}
	state := c.ConnectionState()
	if state.Version != tls.VersionTLS13 || string(Binding(state.PeerCertificates[0].Raw)) != string(id.Binding()) {
		t.Errorf("version %x", state.Version)
	}

	other, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = handshake(t, other.ServerTLS(), p.ClientTLS())
	if changed, ok := errors.AsType[*ChangedKey](err); !ok || !errors.Is(err, ErrChangedKey) || changed.Want != id.Fingerprint() || changed.Got != other.Fingerprint() {
		t.Errorf("another key: %v", err)
	}

	// The right certificate without its key: who saw it cannot pretend.
	thief := other.ServerTLS()
	thief.Certificates[0].Certificate = id.cert.Certificate
	if _, err = handshake(t, thief, p.ClientTLS()); err == nil {
		t.Error("a certificate without its key was taken")
	}

	// 1970 at the dialer, and older versions of TLS.
	early := p.ClientTLS()
	early.Time = func() time.Time { return time.Unix(60, 0) }
	if _, err := handshake(t, id.ServerTLS(), early); err != nil {
		t.Errorf("in 1970: %v", err)
	}
	old := p.ClientTLS()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := handshake(t, id.ServerTLS(), old); err == nil {
		t.Error("the gateway takes TLS 1.2")
	}
	oldServer := id.ServerTLS()
	oldServer.MinVersion, oldServer.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, err := handshake(t, oldServer, p.ClientTLS()); err == nil {
		t.Error("the dialer takes TLS 1.2")
	}
}
