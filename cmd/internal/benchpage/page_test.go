package main

import (
	"strings"
	"testing"
)

const printed = `goos: linux
pkg: photongate/protocol
cpu: A processor
BenchmarkTags/encode/4_equal-2  	 5	 0.1985 %above	 175.6 Mtags/s	 20.09 bits/tag	 4.773 copies
BenchmarkTags/encode/4_equal-2  	 5	 0.1985 %above	 185.6 Mtags/s	 20.09 bits/tag	 3.773 copies
BenchmarkTags/encode/4_equal-2  	 5	 0.1985 %above	 195.6 Mtags/s	 20.09 bits/tag	 3.673 copies
BenchmarkTagsSize/1_ps/1_kcps/4_equal-2  	 1	 0.2365 %above	 33.42 bits/tag	 70.03 bits/tag-20ms	 33.34 entropy
--- SKIP: BenchmarkTagsOtherFormats
PASS
ok  	photongate/protocol	5.705s
pkg: photongate/gateway
BenchmarkReceivers/64-2 	 2	1332.15 MB/s	 221.2 Mreadings/s	 1939 floor-MB/s	 0.6869 of-file-to-tcp
`

func TestPage(t *testing.T) {
	r := parse(printed)
	got := page(r)
	for _, want := range []string{
		"of this one: A processor.",
		"| 4 equal | 186 | 3.8 | - | - |\n", // the median of three runs
		"| 1 kcps, ticks of 1 ps | 33.34 | 33.42 | - | 0.24 % | - | - | - |\n",
		"| receivers: 64 | 1332 | 1939 | 0.69 | 221 |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"| receivers: 1 |", "Growth with the journal", "8 equal |\n| "} {
		if strings.Contains(got, never) {
			t.Errorf("the page has %q, which was not measured", never)
		}
	}
	svg := plot(r)
	if strings.Count(svg, "<circle") != 1 || !strings.Contains(svg, "</svg>") {
		t.Errorf("expected one dot in the plot:\n%s", svg)
	}
}

func TestRunSaysWhatItNeeds(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}, {t.TempDir() + "/none"}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "make bench") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
