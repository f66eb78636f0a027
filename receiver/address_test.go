package receiver

import "testing"

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"pi-lab3":                "pi-lab3:7310",
		" pi-lab3 ":              "pi-lab3:7310",
		"pi-lab3.local:7311":     "pi-lab3.local:7311",
		"pi-lab3:":               "pi-lab3:7310",
		"tcp://pi-lab3:80":       "pi-lab3:80",
		"192.168.1.5":            "192.168.1.5:7310",
		"192.168.1.5:1":          "192.168.1.5:1",
		"::1":                    "[::1]:7310",
		"[::1]":                  "[::1]:7310",
		"[::1]:65535":            "[::1]:65535",
		"fe80::1%eth0":           "[fe80::1%eth0]:7310",
		"[fe80::1%eth0]:7311":    "[fe80::1%eth0]:7311",
		"2001:db8::7310":         "[2001:db8::7310]:7310",
		"localhost":              "localhost:7310",
		"host_with_underscore:9": "host_with_underscore:9",
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "  ", ":7310", "pi:0", "pi:65536", "pi:x", "pi:-1", "[::1", "[::1]x", "a b", "http://x/y", "x/y", `c:\data`, "[::1]:7310:1"} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%q) = %q, want an error", in, got)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"pi-lab3", "[::1]:7310", "::1", "a:b:c", "[]:1", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(got); err != nil || again != got {
			t.Errorf("%q gives %q, which gives %q, %v", s, got, again, err)
		}
	})
}
