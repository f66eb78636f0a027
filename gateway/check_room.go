package gateway

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"photongate/protocol/journal"
)

// CheckRoom says how much of the disk a gateway with this configuration has for its
// journal, and for how long that lasts, as far as the journal that is there
// tells. What is possible and still wrong is a warning. It changes nothing.
func CheckRoom(c Config) (lines []string, warning string) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, ""
	}
	var disk journal.OS
	free, total, err := diskOf(disk, c.Journal)
	if err != nil {
		total = 0
	}
	quota, keepFree := quotaBytes(c.Quota, total), keepFreeBytes(c.KeepFree, total)
	has, late := journalOfLate(disk, c)
	line := fmt.Sprintf("journal %s: has %s and may have %s", c.Journal, SizeText(has), SizeText(quota))
	room := max(quota-has, 0)
	if err == nil {
		line += fmt.Sprintf(", while %s stay free on the disk (now %s)", SizeText(keepFree), SizeText(free))
		room = max(min(quota, has+free-keepFree), 0) // what archives have fetched makes room
		if free-keepFree < quota-has {
			warning = fmt.Sprintf("gateway.quota: the disk has %s free, of which %s stay free: the journal cannot grow to %s (choose a smaller quota, or a larger disk)",
				SizeText(free), SizeText(keepFree), SizeText(quota))
		}
	}
	if late == 0 {
		return []string{line, "journal: for how long that lasts is not known before it was recorded for a while; photongate status tells when the gateway runs",
			"journal: while the disk stands still, up to " + SizeText(tailBytes) + " of readings wait in memory"}, warning
	}
	for i, text := range lastsTexts(late, room, tailBytes) {
		if i == 0 {
			text += ", when archives have fetched what is there"
		}
		lines = append(lines, "journal: "+text)
	}
	return append([]string{line}, lines...), warning
}

// journalOfLate is how much a journal has, and how fast the streams of the
// configuration grew when they were recorded last; 0 when that is not known.
func journalOfLate(disk journal.FS, c Config) (has int64, late float64) {
	entries, err := disk.ReadDir(c.Journal)
	if err != nil {
		return 0, 0
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		segs := segmentsIn(disk, filepath.Join(c.Journal, e.Name()))
		for _, s := range segs {
			has += s.Bytes
		}
		if e.Name() == gatewayStream || slices.ContainsFunc(c.Devices, func(d DeviceConfig) bool { return d.has(e.Name()) }) {
			late += rateOfLate(disk, describeLast(disk, segs))
		}
	}
	return has, late
}

// segmentsIn lists the segment files in a folder, the last changed last.
func segmentsIn(disk journal.FS, dir string) []journal.SegmentInfo {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil
	}
	changed := map[string]time.Time{}
	var list []journal.SegmentInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() || !strings.HasSuffix(e.Name(), ".pgs") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		changed[path] = info.ModTime()
		list = append(list, journal.SegmentInfo{Path: path, Bytes: info.Size()})
	}
	slices.SortStableFunc(list, func(a, b journal.SegmentInfo) int { return changed[a.Path].Compare(changed[b.Path]) })
	return list
}

// describeLast reads when the last files of a list were made. Those of which that
// cannot be read are left out.
func describeLast(disk journal.FS, segs []journal.SegmentInfo) (out []journal.SegmentInfo) {
	for _, seg := range segs[max(0, len(segs)-filesOfLate):] {
		f, err := disk.Open(seg.Path)
		if err != nil {
			continue
		}
		p, _, err := journal.ReadPreamble(f)
		if errors.Join(err, f.Close()) != nil {
			continue
		}
		seg.Epoch, seg.FirstSeq, seg.Begun = p.Epoch, uint64(p.FirstSeq), time.Unix(0, int64(p.CreatedUTCNs))
		out = append(out, seg)
	}
	return out
}
