package pairing

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photongate/protocol"
)

// Worked by hand: the bytes 0, 1, 2, ... 31, and 32 times 0xff.
const (
	counted    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	countedHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	full       = "__________________________________________8"
	line       = "pi-lab3@192.168.1.5:7310,[fd00::5]:7310/" + counted + "/" + full
)

func TestParseLine(t *testing.T) {
	want := Pairing{Format: 1, Name: "pi-lab3", Gateway: "pi-lab3", Addresses: []string{"192.168.1.5:7310", "[fd00::5]:7310"}, CertificateSHA256: countedHex, Token: full}
	for name, text := range map[string]string{
		"bare":               line,
		"the command":        "photonrecv pair " + line,
		"with a prompt":      "  ana@ws:~$ photonrecv pair '" + line + "'\r\n",
		"broken by a mailer": "photonrecv pair " + line[:30] + "\n" + line[30:70] + "\r\n  " + line[70:],
		"without a port":     strings.Replace(line, "192.168.1.5:7310", "192.168.1.5", 1),
		"bare IPv6":          strings.Replace(line, "[fd00::5]:7310", "fd00::5", 1),
		"in backquotes":      "`" + line + "`",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseLine(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Error(diff)
			}
			if got.Line() != line {
				t.Errorf("written again: %s", got.Line())
			}
		})
	}
	p, err := ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	token, err := p.TokenBytes()
	if err != nil || string(token) != strings.Repeat("\xff", 32) {
		t.Errorf("token %x, %v", token, err)
	}
}

// TestLineOfAGatewayThatDials: without an address, one cannot be dialled, and is
// paired all the same.
func TestLineOfAGatewayThatDials(t *testing.T) {
	const text = "pi-lab3@/" + counted + "/" + full
	got, err := ParseLine("photonrecv pair " + text)
	if err != nil {
		t.Fatal(err)
	}
	want := Pairing{Format: 1, Name: "pi-lab3", Gateway: "pi-lab3", Addresses: []string{}, CertificateSHA256: countedHex, Token: full}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	if got.Line() != text || got.Where() != "no address (it dials)" {
		t.Errorf("written again: %s, at %s", got.Line(), got.Where())
	}
}

func TestParseLineRefuses(t *testing.T) {
	replace := func(old, with string) string { return strings.Replace(line, old, with, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", "no @"},
		"only the command":    {"photonrecv pair", "no @"},
		"an address":          {"192.168.1.5:7310", "no @"},
		"cut off in token":    {line[:len(line)-3], "the token has 40 characters, not 43"},
		"cut off before it":   {line[:60], "2 parts"},
		"one part too many":   {line + "/x", "4 parts"},
		"short fingerprint":   {replace(counted, counted[1:]), "fingerprint (between the two /) has 42 characters, not 43"},
		"wrong characters":    {replace(counted, "+"+counted[1:]), "characters that do not belong"},
		"bits behind the end": {replace(full, full[:42]+"9"), "the token holds characters"},
		"a name with capital": {replace("pi-lab3", "Pi-lab3"), "Pi-lab3"},
		"a name of a path":    {replace("pi-lab3", ".."), `name ".."`},
		"an empty address":    {"pi@,/" + counted + "/" + full, "names no host"},
		"a bad port":          {replace("192.168.1.5:7310", "192.168.1.5:70000"), "no port from 1 to 65535"},
		"many colons":         {replace("192.168.1.5:7310", "a:b:c"), "is not host:port"},
		"too many addresses":  {"pi@" + strings.Repeat("h:1,", 40) + "h:1/" + counted + "/" + full, "41 addresses"},
		"a whole book":        {strings.Repeat("x", 10_000), "10000 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseLine(c.text)
			if !errors.Is(err, ErrLine) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "photongate pair") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), full[:20]) {
				t.Errorf("the error tells the token: %v", err)
			}
		})
	}
}

func TestParseToken(t *testing.T) {
	for _, text := range []string{full, "\n " + full + "\r\n", full + "\nold " + counted + " 2026-11-21\n"} {
		if b, err := ParseToken([]byte(text)); err != nil || string(b) != strings.Repeat("\xff", 32) {
			t.Errorf("%q: %x, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "secret", full + full} {
		if _, err := ParseToken([]byte(text)); err == nil {
			t.Errorf("%q is taken for a token", text)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(line)
	f.Add("photonrecv pair " + line)
	f.Add("a@b/c/d")
	f.Add("pi@[fe80::1%eth0]:1/" + counted + "/" + full)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseLine(s)
		if err != nil {
			return
		}
		again, err := ParseLine(p.Line())
		if err != nil {
			t.Fatalf("%q gives %q, which is refused: %v", s, p.Line(), err)
		}
		if diff := cmp.Diff(again, p); diff != "" {
			t.Error(diff)
		}
	})
}

const fileText = `{"format":1,"name":"lab","gateway":"pi-lab3","journal":"00112233445566778899aabbccddeeff","addresses":["192.168.1.5:7310"],` +
	`"certificate_sha256":"` + countedHex + `","token":"` + full + `"}`

func TestDecodeFile(t *testing.T) {
	got, err := decodeFile([]byte(fileText))
	if err != nil {
		t.Fatal(err)
	}
	journal, err := protocol.ParseID("00112233445566778899aabbccddeeff")
	if err != nil {
		t.Fatal(err)
	}
	want := Pairing{Format: 1, Name: "lab", Gateway: "pi-lab3", Journal: journal, Addresses: []string{"192.168.1.5:7310"}, CertificateSHA256: countedHex, Token: full}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	replace := func(old, with string) string {
		s := strings.Replace(fileText, old, with, 1)
		if s == fileText {
			t.Fatalf("%q is not in the file", old)
		}
		return s
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "damaged"},
		"cut off":           {fileText[:100], "damaged"},
		"token of no text":  {replace(`"`+full+`"`, "7"), "damaged"},
		"newer":             {replace(`"format":1`, `"format":2`), "newer photongate"},
		"no format":         {replace(`"format":1,`, ``), "no format"},
		"a name of a path":  {replace(`"name":"lab"`, `"name":"../lab"`), "../lab"},
		"many addresses":    {replace(`["192.168.1.5:7310"]`, `["h:1"`+strings.Repeat(`,"h:1"`, 32)+`]`), "33 addresses"},
		"address, no port":  {replace(`192.168.1.5:7310`, `192.168.1.5`), "is not host:port"},
		"capital hex":       {replace("0a0b", "0A0B"), "64 hex digits"},
		"short certificate": {replace("1e1f", "1e"), "64 hex digits"},
		"short token":       {replace(full, full[1:]), "42 characters, not 43"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decodeFile([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), full[:20]) {
				t.Errorf("got %v, want %q and not the token", err, c.want)
			}
		})
	}
}

func FuzzDecodeFile(f *testing.F) {
	f.Add([]byte(fileText))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := decodeFile(text)
		if err != nil {
			return
		}
		if _, err := ParseLine(p.Line()); err != nil {
			t.Errorf("the line of a good file is refused: %v", err)
		}
	})
}

func FuzzDecodeTokens(f *testing.F) {
	f.Add([]byte(full + "\n"))
	f.Add([]byte(full + "\nold " + counted + " 2026-11-21\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, err := decodeTokens(text)
		if err == nil && (len(tokens.Current) != tokenBytes || len(tokens.Old) > oldTokens) {
			t.Errorf("%q gives %+v", text, tokens)
		}
	})
}
