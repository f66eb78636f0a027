package cmd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownDisk gives the gateway of a bench a disk of its own for its journal: script
// mounts it on the folder "$0". Only the gateway sees it.
func (b *bench) ownDisk(script string) (enter []string) {
	b.t.Helper()
	needsLinux(b.t, "mount namespaces")
	unshare := needs(b.t, "unshare", "util-linux")
	journal := filepath.Join(b.dir, "journal")
	if err := os.Mkdir(journal, 0o700); err != nil {
		b.t.Fatal(err)
	}
	enter = []string{unshare, "--mount", "sh", "-c", script + ` && exec "$@"`, journal}
	if out, err := exec.Command(enter[0], append(enter[1:], "true")...).CombinedOutput(); err != nil {
		leftOut(b.t, "a gateway cannot be given a disk of its own: "+strings.TrimSpace(string(out)))
	}
	return enter
}

// startGatewayIn starts the gateway elsewhere.
func (b *bench) startGatewayIn(enter []string) *proc {
	b.t.Helper()
	p := startAt(b.t, place{enter: enter}, "photongate", "run", "-c", b.config)
	p.waitFor("listening", b.addr)
	return p
}

// inside is a path as a process sees it.
func (p *proc) inside(path string) string {
	return fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, path)
}

// fillDisk takes all the room there is, and returns how much that was.
func fillDisk(t *testing.T, path string) (bytes int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return 0
		}
		t.Fatal(err)
	}
	defer f.Close()
	for _, piece := range []int{1 << 20, 64 << 10, 4 << 10} {
		for {
			n, err := f.Write(make([]byte, piece))
			bytes += n
			if err == nil {
				continue
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	return bytes
}

// statusText is what photongate status says to people, without where its lines
// end, and its exit code.
func (b *bench) statusText() (code int, text string) {
	b.t.Helper()
	code, out, stderr := run(b.t, "photongate", "status", "--addr", b.addr)
	return code, strings.Join(strings.Fields(out+stderr), " ")
}

// said reports whether a process has said a line with all the words.
func (p *proc) said(words ...string) bool {
	return slices.ContainsFunc(strings.Split(p.stderr(), "\n"), func(line string) bool { return containsAll(line, words) })
}

// TestDiskFull fills the disk under the journal to the last byte, with the real
// file system, and makes room again: it is told, and no reading is lost.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F10")
	t.Attr("injected", "a real disk (tmpfs of 8 MB) filled to the last byte under a running gateway, and emptied again")
	t.Attr("promised", "DEGRADED with event, alarm and sentence; readings wait in memory; well again by itself; no reading lost")
	b := newBench(t, "de2ccu", "")
	enter := b.ownDisk(`mount -t tmpfs -o size=8m tmpfs "$0"`)
	told := filepath.Join(b.dir, "alarms.ndjson")
	retarget(t, b.config, "[gateway]\n", fmt.Sprintf("[gateway]\nquota = \"4MB\"\nkeep_free = \"100kB\"\non_alarm = [\"sh\", \"-c\", \"cat >> '%s'\"]\n", told))
	b.startSim()
	gateway := b.startGatewayIn(enter)
	gateway.waitFor("the journal has", "may have 4 MB", "stay free on the disk")
	gateway.waitFor("bench", "running")
	record := b.startRecord()
	record.waitFor("recording")
	b.awaitRows(10)
	record.stop()

	ballast := gateway.inside(filepath.Join(b.dir, "journal", "ballast"))
	filled := 0
	for limit := time.Now().Add(patience); !gateway.said("journal degraded: the disk is full"); {
		if time.Now().After(limit) {
			t.Fatalf("the gateway does not say that its disk is full:\n%s", gateway.stderr())
		}
		filled += fillDisk(t, ballast) // also what the gateway kept for this moment
		<-time.After(20 * time.Millisecond)
	}
	line := gateway.waitFor("journal degraded: the disk is full", "readings wait in memory")
	gateway.waitFor("on_alarm was run")
	code, text := b.statusText()
	if code != 1 || !strings.Contains(text, "DEGRADED the disk is full: readings wait in memory") || strings.Contains(text, "no space left on device") {
		t.Errorf("status: exit %d\n%s", code, text)
	}
	alarm, err := os.ReadFile(told)
	if err != nil || strings.Count(string(alarm), "\n") != 1 || !strings.Contains(string(alarm), `"kind":"journal"`) || !strings.Contains(string(alarm), "journal degraded: the disk is full") {
		t.Errorf("alarm: %s, %v", alarm, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	gateway.waitFor("the disk takes all again")
	if code, text := b.statusText(); code != 0 || !strings.Contains(text, "room for") {
		t.Errorf("status afterwards: exit %d\n%s", code, text)
	}
	record = b.startRecord()
	record.waitFor("recording")
	b.awaitRows(60)
	record.stop()
	if code, out := b.verifyJSON(); code != 0 {
		t.Errorf("verify: exit %d, want a whole archive\n%s", code, out)
	}
	n := b.checkAgainstTruth()
	if code, out, _ := run(t, "photongate", "receivers", "--addr", b.addr); code != 0 || !strings.Contains(out, "ws-ana") {
		t.Errorf("receivers: exit %d\n%s", code, out)
	}
	for _, c := range []struct {
		words []string
		code  int
		says  string
	}{
		{[]string{"set", "gateway", "quota=2MB"}, 0, "gateway quota: 4MB -> 2MB (it is in force)"},
		{[]string{"set", "gateway", "quota=2"}, 2, "expected a size with its unit"},
		{[]string{"get", "gateway", "quota"}, 0, "2MB"},
		{[]string{"receivers", "forget", "ws-anna"}, 2, "expected one of ws-ana"},
		{[]string{"receivers", "forget", "ws-ana"}, 0, "nothing is kept for ws-ana any more"},
		{[]string{"receivers"}, 0, "no archive is known"},
	} {
		code, out, stderr := run(t, "photongate", append(c.words, "--addr", b.addr)...)
		if code != c.code || !strings.Contains(out+stderr, c.says) {
			t.Errorf("%s: exit %d, %s%s; want %d, %q", strings.Join(c.words, " "), code, out, stderr, c.code, c.says)
		}
	}
	_, after, _ := strings.Cut(line, "journal degraded: ")
	after, _, _ = strings.Cut(after, " error=")
	t.Attr("seen", fmt.Sprintf("%d bytes of ballast; told %q; 1 alarm; %d readings recorded across it, all as the instrument counted, 0 gaps, 0 holes", filled, after, n))
}

// checkAgainstTruth compares all rows of the archive with what the instrument
// counted: they follow each other without a gap. It returns how many there are.
func (b *bench) checkAgainstTruth() int {
	b.t.Helper()
	rows, truth := b.cat(), b.truthRows()
	first := slices.Index(truth, rows[0].values)
	if first < 0 || len(truth)-first < len(rows) {
		b.t.Fatalf("the first row, %s, is none of the %d that the instrument counted, or fewer follow than were recorded", rows[0].values, len(truth))
	}
	for i, r := range rows {
		if r.values != truth[first+i] {
			b.t.Fatalf("row %d is %s, the instrument counted %s", i, r.values, truth[first+i])
		}
	}
	return len(rows)
}

// startOnExt4 starts simulator and gateway with the journal on a file system of a
// real kind. Alarms go into the file told.
func (b *bench) startOnExt4() (gateway *proc, told string) {
	b.t.Helper()
	mkfs, image := needs(b.t, "mkfs.ext4", "e2fsprogs"), filepath.Join(b.dir, "disk.img")
	if out, err := exec.Command("sh", "-c", fmt.Sprintf("truncate -s 32M %s && %s -q %s", image, mkfs, image)).CombinedOutput(); err != nil {
		b.t.Fatalf("make a file system: %v\n%s", err, out)
	}
	enter := b.ownDisk(fmt.Sprintf(`mount -o loop %s "$0"`, image))
	told = filepath.Join(b.dir, "alarms.ndjson")
	retarget(b.t, b.config, "[gateway]\n", fmt.Sprintf("[gateway]\non_alarm = [\"sh\", \"-c\", \"cat >> '%s'\"]\n", told))
	b.startSim()
	gateway = b.startGatewayIn(enter)
	gateway.waitFor("bench", "running")
	return gateway, told
}

// TestDiskTurnsReadOnly has the kernel turn the real file system under the journal
// read-only, as it does when a disk breaks: it is told within 5 s, and who
// looks on goes on doing so.
func TestDiskTurnsReadOnly(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F16")
	t.Attr("injected", "a real ext4 that the kernel turns read-only under a running gateway (remount,abort)")
	t.Attr("promised", "DEGRADED and alarm within 5 s; live view continues")
	b := newBench(t, "de2ccu", "")
	gateway, _ := b.startOnExt4()
	live := start(t, "photonrecv", "cat", b.addr)
	b.awaitRows(20)

	began := time.Now()
	remount := exec.Command(needs(t, "nsenter", "util-linux"), "-t", fmt.Sprint(gateway.cmd.Process.Pid), "-m", "mount", "-o", "remount,abort", filepath.Join(b.dir, "journal"))
	if out, err := remount.CombinedOutput(); err != nil {
		leftOut(t, "the file system cannot be turned read-only: "+strings.TrimSpace(string(out)))
	}
	line := gateway.waitFor("journal degraded:")
	took := time.Since(began)
	gateway.waitFor("on_alarm was run")
	if took > 5*time.Second {
		t.Errorf("it was told after %v, want within 5 s", took)
	}
	code, text := b.statusText()
	if code != 1 || !strings.Contains(text, "DEGRADED the disk cannot be written any more") {
		t.Errorf("status: exit %d\n%s", code, text)
	}
	before := len(b.truthRows())
	b.awaitRows(50)
	if code := live.stop(); code != 0 {
		t.Errorf("the view ended with %d\n%s", code, live.stderr())
	}
	after := 0 // rows of the view that were counted when it had been told
	for line := range strings.SplitSeq(live.stdout.String(), "\n") {
		for _, counted := range b.truthRows()[before:] {
			if strings.HasSuffix(line, ","+counted) {
				after++
			}
		}
	}
	if after < 40 {
		t.Errorf("the view has %d rows of 50 that were counted after the disk broke", after)
	}
	_, sentence, _ := strings.Cut(line, "journal degraded: ")
	sentence, _, _ = strings.Cut(sentence, " error=")
	t.Attr("seen", fmt.Sprintf("told after %v: %q; the view has %d rows of 50 that were counted later", took.Round(10*time.Millisecond), sentence, after))
}

// TestDiskFrozen freezes the real file system under the journal: nothing that is
// written returns, no call ends in an error, and the disk says how much room it has.
// It is told within seconds, and when the disk goes on no reading is lost.
func TestDiskFrozen(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F15")
	t.Attr("injected", "a real ext4 that is frozen (fsfreeze) under a running gateway, and thawed again")
	t.Attr("promised", "DEGRADED with alarm and sentence once nothing was synced for 5 s; well again by itself; no reading lost")
	b := newBench(t, "de2ccu", "")
	freeze, nsenter := needs(t, "fsfreeze", "util-linux"), needs(t, "nsenter", "util-linux")
	gateway, told := b.startOnExt4()
	record := b.startRecord()
	b.awaitRows(20)

	frozen := func(how string) ([]byte, error) {
		return exec.Command(nsenter, "-t", fmt.Sprint(gateway.cmd.Process.Pid), "-m", freeze, how, filepath.Join(b.dir, "journal")).CombinedOutput()
	}
	t.Cleanup(func() { _, _ = frozen("-u") }) // or the gateway could not end; it fails where it is thawed
	began := time.Now()
	if out, err := frozen("-f"); err != nil {
		leftOut(t, "the file system cannot be frozen: "+strings.TrimSpace(string(out)))
	}
	line := gateway.waitFor("journal degraded: the disk has not answered for", "until the disk has them a crash or power cut loses them")
	took := time.Since(began)
	gateway.waitFor("on_alarm was run")
	code, text := b.statusText()
	if code != 1 || !strings.Contains(text, "DEGRADED the disk has not answered for") {
		t.Errorf("status: exit %d\n%s", code, text)
	}
	if alarm, err := os.ReadFile(told); err != nil || !strings.Contains(string(alarm), "journal degraded: the disk has not answered for") {
		t.Errorf("alarm: %s, %v", alarm, err)
	}
	if out, err := frozen("-u"); err != nil {
		t.Fatalf("thaw: %v\n%s", err, out)
	}
	gateway.waitFor("the disk takes all again")
	b.awaitRows(60)
	record.stop()
	n := b.checkAgainstTruth()
	_, sentence, _ := strings.Cut(line, "journal degraded: ")
	sentence, _, _ = strings.Cut(sentence, " error=")
	t.Attr("seen", fmt.Sprintf("told after %v: %q; %d readings recorded across it, all as the instrument counted", took.Round(100*time.Millisecond), sentence, n))
}
