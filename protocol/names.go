package protocol

import (
	"fmt"
	"strings"
	"unicode"
)

// MaxName is the most bytes of a name.
const MaxName = 63

// CheckName returns an error, which is ErrFormat and says why, when s cannot be
// the name of a gateway, device or stream. Names become folders and come from
// the network: [a-z0-9][a-z0-9._-]{0,62}, not ending in a dot, and not a name
// that Windows keeps for its devices.
func CheckName(s string) error {
	if s == "" {
		return fmt.Errorf("%w: a name is empty", ErrFormat)
	}
	if len(s) > MaxName {
		return fmt.Errorf("%w: name %.63q... has %d characters, at most %d", ErrFormat, s, len(s), MaxName)
	}
	for i, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return fmt.Errorf("%w: name %q: use a-z and 0-9, after the first also . _ -", ErrFormat, s)
		}
	}
	if strings.HasSuffix(s, ".") {
		return fmt.Errorf("%w: name %q ends in a dot, which Windows drops", ErrFormat, s)
	}
	if base, _, _ := strings.Cut(s, "."); reservedName(base) {
		return fmt.Errorf("%w: name %q: Windows keeps %q for itself", ErrFormat, s, base)
	}
	return nil
}

// reservedName reports whether Windows takes the name for a device.
func reservedName(s string) bool {
	switch s {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(s) == 4 && (strings.HasPrefix(s, "com") || strings.HasPrefix(s, "lpt")) && s[3] >= '0' && s[3] <= '9'
}

// Saying is a sentence of the other end as it may be shown to people: at most 500
// characters, none of which does anything to a terminal or begins a new line.
func Saying(s string) string {
	const most = 500
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
