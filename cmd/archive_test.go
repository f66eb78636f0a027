package cmd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// segmentsOfBench are the files of bench in the archive.
func (b *bench) segmentsOfBench() []string {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.gatewayFolder(), "bench", "*.pgs"))
	if err != nil || len(paths) == 0 {
		b.t.Fatalf("files of bench in the archive: %v, %v", paths, err)
	}
	return paths
}

// TestRepairFromTheGateway loses a part of an archive and a bit of another one, and
// fetches both from the gateway that goes on meanwhile. While somebody records,
// repair and a second recording are refused, with the holder's process id.
func TestRepairFromTheGateway(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F37")
	t.Attr("injected", "a second recording, and a repair, into the folder of a recording that runs; then a removed file and a flipped bit")
	t.Attr("promised", "both refused, naming the process; then repaired: digests as the gateway's")
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	gateway := b.startGateway()
	record := b.startRecord()
	record.waitFor("recording")
	for range 2 {
		gateway.waitFor("bench", "running")
		b.awaitRows(10)
		gateway.stop()
		gateway = b.startGateway()
	}
	gateway.waitFor("bench", "running")
	b.awaitRows(5)

	pid := fmt.Sprintf("process id %d", record.cmd.Process.Pid)
	code, _, repairSaid := run(t, "photonrecv", "repair", b.archive, "--from", b.addr)
	if code != 2 || !strings.Contains(repairSaid, pid) || !strings.Contains(repairSaid, "Ctrl-C") {
		t.Errorf("repair while a recording runs: exit %d, %s, want 2 and %s", code, repairSaid, pid)
	}
	code, _, recordSaid := run(t, "photonrecv", "record", b.addr, "--dir", b.archive)
	if code != 2 || !strings.Contains(recordSaid, pid) {
		t.Errorf("a second recording: exit %d, %s, want 2 and %s", code, recordSaid, pid)
	}
	if code := record.stop(); code != 0 && code != 1 {
		t.Fatalf("record: exit %d", code)
	}
	b.checkDigests()
	rows := len(b.cat())

	files := b.segmentsOfBench()
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)*2/3] ^= 4
	if err := os.WriteFile(files[1], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := b.verifyJSON("--full"); code != 3 {
		t.Fatalf("verify of what was damaged: exit %d\n%s", code, out)
	}
	code, out, said := run(t, "photonrecv", "repair", b.archive, "--from", b.addr, "--json")
	if code != 0 {
		t.Fatalf("repair: exit %d\n%s%s", code, out, said)
	}
	var report struct{ Frames, Came string }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if code, out := b.verifyJSON("--full"); code != 1 || strings.Contains(out, `"holes"`) { // the gateway's stops are gaps
		t.Errorf("verify after the repair: exit %d\n%s", code, out)
	}
	b.checkDigests()
	if n := len(b.cat()); n != rows {
		t.Errorf("%d rows after the repair, %d before", n, rows)
	}
	if code, out, _ := run(t, "photonrecv", "repair", b.archive, "--from", b.addr); code != 0 || !strings.Contains(out, "nothing to repair") {
		t.Errorf("repair again: exit %d\n%s", code, out)
	}
	t.Attr("seen", fmt.Sprintf("refused with %s; %s of %s frames came, %d rows, digests equal", pid, report.Came, report.Frames, rows))
}

// smallDisk is a file system of its own in memory, in a mount namespace that a
// process holds.
type smallDisk struct {
	t      *testing.T
	holder *exec.Cmd
	dir    string // inside the namespace
}

// newSmallDisk makes one of so many kB. Where that cannot be done the test is left
// out.
func newSmallDisk(t *testing.T, kB int) *smallDisk {
	t.Helper()
	needsLinux(t, "mount namespaces")
	needs(t, "unshare", "util-linux")
	needs(t, "nsenter", "util-linux")
	d := &smallDisk{t: t, dir: t.TempDir()}
	d.holder = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c",
		fmt.Sprintf(`mount -t tmpfs -o size=%dk tmpfs "$1" && echo mounted && exec cat`, kB), "sh", d.dir)
	stdin, err := d.holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := d.holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.holder.Start(); err != nil {
		leftOut(t, "no mount namespace: "+err.Error())
	}
	said := make([]byte, len("mounted"))
	if n, _ := stdout.Read(said); string(said[:n]) != "mounted" {
		stdin.Close()
		_ = d.holder.Wait() // it failed to mount
		leftOut(t, "no file system can be mounted in a namespace of its own, which needs root")
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = d.holder.Wait() // it ends with its input
	})
	return d
}

// place is the namespace as a place for programs.
func (d *smallDisk) place() place {
	return place{config: configDir(d.t), enter: []string{"nsenter", "-t", fmt.Sprint(d.holder.Process.Pid), "-m", "--"}}
}

// outside is a path on the disk as this process reaches it.
func (d *smallDisk) outside(name string) string {
	return filepath.Join("/proc", fmt.Sprint(d.holder.Process.Pid), "root", d.dir, name)
}

// fill takes all the room there is.
func (d *smallDisk) fill() {
	d.t.Helper()
	f, err := os.Create(d.outside("ballast"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// free gives it back.
func (d *smallDisk) free() {
	d.t.Helper()
	if err := os.Remove(d.outside("ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// TestReceiversDiskFull fills the disk of a recording: it says so, and how long the
// gateway can hold; the session goes on; when there is room it goes on by itself, and
// every row is there.
func TestReceiversDiskFull(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F45")
	t.Attr("injected", "a real disk of 2 MB, full while 60 gates are counted and the gateway is started again, and then with room")
	t.Attr("promised", "told with how long the gateway can hold, the session lives, all rows there in the end")
	disk := newSmallDisk(t, 2048)
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.archive = filepath.Join(disk.dir, "archive")
	b.startSim()
	gateway := b.startGateway()
	record := startAt(t, disk.place(), "photonrecv", "record", b.addr, "--dir", b.archive, "--name", "ws-ana")
	record.waitFor("recording")
	gateway.waitFor("bench", "running")
	b.awaitRows(10)
	disk.fill()
	told := record.waitFor("the archive's disk is full:", "wait at pi-lab3", "free some space, and recording goes on by itself")
	b.awaitRows(30)
	if code, out, _ := run(t, "photongate", "status", b.addr); code != 1 || !strings.Contains(out, "TROUBLE at ws-ana: the archive's disk is full") {
		t.Errorf("the gateway's status while the disk is full: exit %d\n%s", code, out)
	}
	b.oneSessionOf(gateway, "ws-ana")
	gateway.stop() // a new part begins while the disk is full
	gateway = b.startGateway()
	gateway.waitFor("receiver connected")
	gateway.waitFor("bench", "running")
	b.awaitRows(30)
	disk.free()
	record.waitFor("the archive's disk takes what comes again")
	b.awaitRows(10)
	b.oneSessionOf(gateway, "ws-ana")
	gateway.stop()
	if code := record.stop(); code != 0 && code != 1 {
		t.Fatalf("record: exit %d", code)
	}
	if n := strings.Count(record.stderr(), "the archive's disk is full"); n != 1 {
		t.Errorf("told %d times in some seconds:\n%s", n, record.stderr())
	}
	b.archive = filepath.Join(b.dir, "copy")
	if err := os.CopyFS(b.archive, os.DirFS(disk.outside("archive"))); err != nil {
		t.Fatal(err)
	}
	if code, out := b.verifyJSON(); code > 1 || strings.Contains(out, `"holes"`) {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	b.checkDigests()
	rows, truth := b.cat(), map[string]int{}
	for _, v := range b.truthRows() {
		truth[v]++
	}
	for i, r := range rows {
		if truth[r.values] == 0 {
			t.Fatalf("row %d (%s) was never counted, or is there twice", i, r.values)
		}
		truth[r.values]--
	}
	if n := len(b.truthRows()); len(rows) < 75 || len(rows) > n {
		t.Errorf("%d rows of %d that were counted", len(rows), n)
	}
	_, told, _ = strings.Cut(told, "WRN ")
	t.Attr("seen", fmt.Sprintf("%s; then %d rows, none twice, no hole", told, len(rows)))
}

// oneSessionOf checks that a gateway has told of one connection of a receiver only.
func (b *bench) oneSessionOf(gateway *proc, receiver string) {
	b.t.Helper()
	n := 0
	for line := range strings.Lines(gateway.stderr()) {
		if containsAll(line, []string{"receiver connected", receiver}) {
			n++
		}
	}
	if n != 1 {
		b.t.Errorf("%s connected %d times, want once:\n%s", receiver, n, gateway.stderr())
	}
}

// TestNameOfAnotherArchive: a second archive under a known name is refused, with the
// ways out; it takes the name over when it is told to, and the first one ends with a
// sentence.
func TestNameOfAnotherArchive(t *testing.T) {
	t.Parallel()
	t.Attr("fault", "F26")
	t.Attr("injected", "a second folder under the name of a recording that runs, without and with --take-over")
	t.Attr("promised", "refused with the ways out; then the first ends and says why, the second records")
	b := newBench(t, "cd48", `gate = "100ms"`)
	b.startSim()
	gateway := b.startGateway()
	first := b.startRecord()
	first.waitFor("recording")
	gateway.waitFor("bench", "running")

	other := filepath.Join(b.dir, "other")
	args := []string{"record", b.addr, "--dir", other, "--name", "ws-ana"}
	code, _, refused := run(t, "photonrecv", args...)
	if code != 1 && code != 2 || !strings.Contains(refused, "--take-over") || !strings.Contains(refused, `"ws-ana"`) {
		t.Errorf("another archive under the same name: exit %d, %s", code, refused)
	}
	second := start(t, "photonrecv", append(args, "--take-over")...)
	second.waitFor("recording")
	if code := first.exit(); code != 1 {
		t.Errorf("the first recording ended with %d, want 1", code)
	}
	said := first.stderr()
	if !strings.Contains(said, "taken over the name") {
		t.Errorf("the first recording said:\n%s", said)
	}
	b.awaitRows(10)
	if code := second.stop(); code != 0 && code != 1 {
		t.Errorf("the second recording ended with %d", code)
	}
	b.archive = other
	rows := len(b.cat())
	if rows < 5 {
		t.Errorf("the second recording has %d rows", rows)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	t.Attr("seen", fmt.Sprintf("the first: %s; the second has %d rows", lines[len(lines)-1], rows))
}
