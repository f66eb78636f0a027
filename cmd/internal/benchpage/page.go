package main

import (
	"fmt"
	"strings"
)

const head = `# Benchmarks

Each figure stands beside its floor, measured in the same run: the entropy of the data, a copy of the memory, the same bytes over plain TCP into a file. To repeat them:

    make bench                                       # all of them, half an hour; into bin/bench.txt
    make bench RESIDENT=20s                          # without the ten minutes of one of them
    make bench-page                                  # this page and its plot, from bin/bench.txt

Sizes are the same on any machine. Speeds are of this one: %s. Others used its cores at times; what is compared with a floor suffers less by that than the figures themselves.

![bits for each tag beside the entropy, and the cost of encoding and decoding](BENCHMARKS.svg)

`

// page is the page of results in Markdown. It is made anew from each run; nothing in it
// is written by hand.
func page(r results) string {
	var b strings.Builder
	fmt.Fprintf(&b, head, r.cpu)
	for _, t := range tables() {
		b.WriteString(t.write(r))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func tables() []table {
	return []table{tagSizes(), otherLight(), batches(), tagSpeed(), countSizes(), countSpeed(), tagFormats(), countFormats(), wholePath(), receivers(), journals()}
}

// rates are the rates of light in BenchmarkTagsSize, as it writes them, and for people.
var rates = [][2]string{{"1", "1 kcps"}, {"10", "10 kcps"}, {"100", "100 kcps"}, {"1000", "1 Mcps"}, {"10000", "10 Mcps"}, {"100000", "100 Mcps"}}

var ticks = []string{"1", "81"}

func sizeName(tick, rate, light string) string {
	return fmt.Sprintf("protocol.TagsSize/%s_ps/%s_kcps/%s", tick, rate, light)
}

func tagSizes() table {
	t := table{"Time tags: bits for each", "Poisson light, frames of 65,536 tags, headers, checksums and all. The percentages are above the entropy of the same light; skewed is 0.9/0.05/0.03/0.02 of the rate.",
		[]string{"entropy, 4 equal channels", "bits, 4 equal", "1 channel", "4 equal", "8 equal", "64 equal", "4 skewed"}, nil}
	for _, tick := range ticks {
		for _, rate := range rates {
			four := sizeName(tick, rate[0], "4_equal")
			cells := []cell{{four, "entropy", 2, ""}, {four, "bits/tag", 2, ""}}
			for _, light := range []string{"1_channel", "4_equal", "8_equal", "64_equal", "0.9-0.05-0.03-0.02"} {
				cells = append(cells, cell{sizeName(tick, rate[0], light), "%above", 2, " %"})
			}
			t.rows = append(t.rows, row{rate[1] + ", ticks of " + tick + " ps", cells})
		}
	}
	return t
}

func otherLight() table {
	t := table{"Time tags of other light", "The same, for light that is not that of a lamp.", []string{"entropy", "bits", "above"}, nil}
	for _, name := range []string{"bursts of 10 Mcps and 100 kcps, 1 ps", "afterpulsing, 5 % within 50 ns, 1 Mcps, 1 ps",
		"pulsed at 80 MHz, jitter 100 ps, 1 Mcps, 1 ps", "pulsed at 76.3 MHz, jitter 300 ps, 100 kcps, 81 ps"} {
		key := "protocol.TagsSize/" + underscored(name)
		t.rows = append(t.rows, row{name, []cell{{key, "entropy", 2, ""}, {key, "bits/tag", 2, ""}, {key, "%above", 2, " %"}}})
	}
	return t
}

func underscored(s string) string { return strings.ReplaceAll(s, " ", "_") }

func batches() table {
	t := table{"What a gateway stores", "At low rates frames are short and their headers count. Unless a gateway is told how long tags wait for each other (`batch`), few of them do until 4096 are there or 1 s is over; while a view looks on it is 20 ms. Bits for each tag of four equal channels.",
		[]string{"entropy", "by default", "every 20 ms", "every 2 s"}, nil}
	for _, tick := range ticks {
		for _, rate := range rates {
			four := sizeName(tick, rate[0], "4_equal")
			t.rows = append(t.rows, row{rate[1] + ", ticks of " + tick + " ps", []cell{{four, "entropy", 2, ""}, {four, "bits/tag-default", 2, ""}, {four, "bits/tag-20ms", 2, ""}, {four, "bits/tag-2s", 2, ""}}})
		}
	}
	return t
}

// lights are those of BenchmarkTags.
var lights = []string{"1 channel", "2 equal", "3 equal", "4 equal", "8 equal", "16 equal", "64 equal", "4 equal, 81 ps", "4 equal, 1 kcps", "4 equal, 100 Mcps, 81 ps (thirds)",
	"0.9-0.05-0.03-0.02", "0.4-0.3-0.2-0.1", "bursts", "afterpulsing", "pulses", "4 equal, every 50th out of order"}

func tagSpeed() table {
	t := table{"Time tags: speed of one core", "Frames of 65,536 tags, checksums and all, in memory that no cache holds. The floor is a copy of the same tags as records of nine bytes: \"copies\" is how often they could have been copied meanwhile. Unless it says otherwise light of 10 Mcps and ticks of 1 ps.",
		[]string{"encode, Mtags/s", "copies", "decode, Mtags/s", "copies"}, nil}
	for _, light := range lights {
		encode, decode := "protocol.Tags/encode/"+underscored(light), "protocol.Tags/decode/"+underscored(light)
		t.rows = append(t.rows, row{light, []cell{{encode, "Mtags/s", 0, ""}, {encode, "copies", 1, ""}, {decode, "Mtags/s", 0, ""}, {decode, "copies", 1, ""}}})
	}
	return t
}

func countSizes() table {
	t := table{"Counts: bits for each", "Frames of 1000 readings of 8 channels, headers, checksums and all.", []string{"entropy", "bits", "above"}, nil}
	for _, mean := range []string{"10", "30", "100", "300", "1000", "10000", "100000"} {
		name := "protocol.CountsSize/mean_" + mean
		t.rows = append(t.rows, row{"mean " + mean, []cell{{name, "entropy", 3, ""}, {name, "bits/count", 3, ""}, {name, "%above", 2, " %"}}})
	}
	return t
}

func countSpeed() table {
	t := table{"Counts: speed of one core", "Counts around 1000. The floor is a copy of the counts as words of 64 bits, in memory that no cache holds; how it grows with channels is measured in the caches.",
		[]string{"encode, ns for each count", "copies", "decode, ns for each count", "copies"}, nil}
	for _, readings := range []string{"1", "20", "1000"} {
		encode, decode := "protocol.Counts/encode/"+readings, "protocol.Counts/decode/"+readings
		t.rows = append(t.rows, row{"8 channels, readings in a frame: " + readings, []cell{{encode, "ns/value", 1, ""}, {encode, "copies", 1, ""}, {decode, "ns/value", 1, ""}, {decode, "copies", 1, ""}}})
	}
	for _, channels := range []string{"1", "8", "64"} {
		name := "protocol.CountsChannels/" + channels
		t.rows = append(t.rows, row{"1000 readings in a frame, channels: " + channels, []cell{{name + "/encode", "ns/value", 1, ""}, {"", "", 0, ""}, {name + "/decode", "ns/value", 1, ""}, {"", "", 0, ""}}})
	}
	return t
}

func tagFormats() table {
	t := table{"Time tags in other formats", "The same tags, 10 Mcps on four channels. Arrow IPC is in record batches of 65,536, as its format lays them out (a column of 64 bits, one of 8); with zstd each column is compressed by itself. zstd does best with differences, their bytes apart, in blocks of 65,536.",
		[]string{"bits, ticks of 1 ps", "above the entropy", "bits, ticks of 81 ps", "above"}, nil}
	for _, format := range []string{"entropy", "photongate", "TTTR records of 32 bits", "records of 9 bytes", "records with zstd, level 3", "Arrow IPC", "Arrow IPC with zstd", "differences by bytes with zstd, level 3", "differences by bytes with zstd, level 19"} {
		one, other := "protocol.TagsOtherFormats/1_ps/"+underscored(format), "protocol.TagsOtherFormats/81_ps/"+underscored(format)
		t.rows = append(t.rows, row{format, []cell{{one, "bits/tag", 2, ""}, {one, "%above", 1, " %"}, {other, "bits/tag", 2, ""}, {other, "%above", 1, " %"}}})
	}
	return t
}

func countFormats() table {
	t := table{"Counts in other formats", "The same readings of eight channels, counts around 1000, and when each began. Frames of 1000 readings; record batches of 10,000.", []string{"bytes for each reading", "above the entropy"}, nil}
	for _, format := range []string{"entropy", "photongate", "records of 40 bytes", "records with zstd, level 3", "Arrow IPC", "Arrow IPC with zstd", "differences by bytes with zstd, level 19"} {
		name := "protocol.CountsOtherFormats/" + underscored(format)
		t.rows = append(t.rows, row{format, []cell{{name, "B/reading", 2, ""}, {name, "%above", 1, " %"}}})
	}
	return t
}

func wholePath() table {
	return table{"The whole path", "Bytes of the instrument through driver, gateway, journal, TCP on one machine and receiver into the archive, both ends synced at their defaults, until the last is acknowledged. The floor is the instrument's own bytes over plain TCP into a file that is synced at the end.",
		[]string{"photongate", "floor", "of the floor"}, []row{
			{"time tags, a record of 8 bytes each, Mtags/s", []cell{{"cmd.TagsEndToEnd", "Mtags/s", 1, ""}, {"cmd.TagsEndToEnd", "floor-Mtags/s", 1, ""}, {"cmd.TagsEndToEnd", "of-raw-tcp+file", 2, ""}}},
			{"readings of 8 channels, packets of 41 bytes, readings/s", []cell{{"cmd.EndToEnd", "readings/s", 0, ""}, {"cmd.EndToEnd", "floor-readings/s", 0, ""}, {"cmd.EndToEnd", "of-raw-tcp+file", 2, ""}}},
			{"from the port to a viewer at 1000 readings/s, half within, ms", []cell{{"cmd.Latency", "p50-ms", 1, ""}, {"", "", 0, ""}, {"", "", 0, ""}}},
			{"the same, 99 % within, ms", []cell{{"cmd.Latency", "p99-ms", 1, ""}, {"", "", 0, ""}, {"", "", 0, ""}}},
			{"a gateway at 1000 readings/s with an archive and a viewer, % of a core; the floor reads the port alone", []cell{{"cmd.Resident", "%-of-a-core", 1, ""}, {"cmd.Resident", "floor-%-of-a-core", 1, ""}, {"", "", 0, ""}}},
			{"its memory, MiB", []cell{{"cmd.Resident", "resident-MiB", 0, ""}, {"", "", 0, ""}, {"", "", 0, ""}}},
		}}
}

func receivers() table {
	t := table{"Growth with receivers", "So many archives fetch the same readings from the journal at once. The floor sends as many bytes of a file to as many connections.",
		[]string{"MB/s", "floor, MB/s", "of the floor", "Mreadings/s"}, nil}
	for _, n := range []string{"1", "4", "16", "64"} {
		name := "gateway.Receivers/" + n
		t.rows = append(t.rows, row{"receivers: " + n, []cell{{name, "MB/s", 0, ""}, {name, "floor-MB/s", 0, ""}, {name, "of-file-to-tcp", 2, ""}, {name, "Mreadings/s", 0, ""}}})
	}
	return t
}

func journals() table {
	t := table{"Growth with the journal", "A journal in files of 4 MiB (a sixteenth of what they have unless told otherwise): to open it after a clean end, and to find a frame in its middle for a receiver that comes back. The floor is to read the names of its files.",
		[]string{"open, ms", "a frame in the middle, ms", "floor: names, ms"}, nil}
	for _, size := range []string{"16", "64", "256"} {
		name := "protocol/journal.Size/" + size + "_MiB"
		t.rows = append(t.rows, row{size + " MiB", []cell{{name, "open-ms", 2, ""}, {name, "middle-ms", 2, ""}, {name, "names-ms", 2, ""}}})
	}
	return t
}
