package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// words is a flag that holds a list, separated by commas.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(text string) error {
	*w = nil
	for word := range strings.SplitSeq(text, ",") {
		if word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

// machine is what the flags choose.
type machine struct {
	kernel  string
	modules words
	add     words
	env     words
	memory  int
	limit   time.Duration
	log     string

	processors int
}

// host makes a machine, runs the program in it and returns its exit status.
func host() (int, error) {
	m := machine{modules: words{"vhci-hcd", "ftdi_sio", "cdc-acm"}}
	flag.StringVar(&m.kernel, "kernel", os.Getenv("PHOTONGATE_VM"), "`FOLDER` with boot/vmlinuz-* and lib/modules, as .ci/vm fetches it")
	flag.Var(&m.modules, "modules", "kernel modules to load, before those they need")
	flag.Var(&m.add, "add", "files to copy to the same place in the machine; of programs their libraries, too")
	flag.Var(&m.env, "env", "names of variables to hand on, besides those that begin with GO and PHOTONGATE_")
	flag.IntVar(&m.memory, "m", 512, "memory, `MIB`")
	flag.IntVar(&m.processors, "smp", 1, "`NUMBER` of processors")
	flag.DurationVar(&m.limit, "limit", 9*time.Minute, "longest run of the machine")
	flag.StringVar(&m.log, "log", "", "keep what the kernel says in this `FILE`")
	flag.Parse()
	if flag.NArg() == 0 || m.kernel == "" {
		return 0, errors.New("which program, on which kernel? vmexec -kernel FOLDER PROGRAM [ARGUMENT]...; .ci/vm --fetch gets a kernel")
	}
	work, err := os.MkdirTemp("", "vmexec-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	kernel, err := unpackKernel(m.kernel)
	if err != nil {
		return 0, err
	}
	j, initrd, err := m.fill(flag.Args())
	if err != nil {
		return 0, err
	}
	archive := filepath.Join(work, "initrd")
	if err := os.WriteFile(archive, initrd, 0o600); err != nil {
		return 0, err
	}
	if m.log == "" {
		m.log = filepath.Join(work, "kernel.log")
	}
	return m.run(kernel, archive, j)
}

// fill makes the archive that the machine has for a root.
func (m *machine) fill(args []string) (job, []byte, error) {
	program, err := filepath.Abs(args[0])
	if err != nil {
		return job{}, nil, err
	}
	j := job{Args: append([]string{program}, args[1:]...), Env: m.environment(), Shares: shares(args[1:])}
	if j.Dir, err = os.Getwd(); err != nil {
		return j, nil, err
	}
	if len(j.Shares) > 0 {
		m.modules = append(m.modules, "virtio_pci", "9pnet_virtio", "9p")
	}
	modules, err := modulesInOrder(m.kernel, m.modules)
	if err != nil {
		return j, nil, err
	}
	a := newArchive()
	for _, folder := range []string{"/proc", "/sys", "/dev", "/tmp", "/root", "/etc", j.Dir} {
		a.folder(folder)
	}
	self, err := os.Executable()
	if err != nil {
		return j, nil, err
	}
	err = a.copy("/init", self)
	for _, file := range modules {
		to := "/modules/" + filepath.Base(file)
		err = errors.Join(err, a.copy(to, file))
		j.Modules = append(j.Modules, to)
	}
	for _, file := range append(words{program}, m.add...) {
		if file, abs := filepath.Abs(file); abs == nil {
			err = errors.Join(err, a.program(file))
		}
	}
	err = errors.Join(err, a.tree(filepath.Join(j.Dir, "testdata")))
	text, bad := json.Marshal(j)
	if err = errors.Join(err, bad); err != nil {
		return j, nil, err
	}
	a.file(jobFile, text, 0o644)
	a.file("/etc/passwd", []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644)
	return j, a.end(), nil
}

// environment is what the program has in its own.
func (m *machine) environment() []string {
	env := []string{"HOME=/root", "PATH=/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR=/tmp", "VMEXEC=1"}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "PHOTONGATE_") || name == "CI" || slices.Contains(m.env, name) {
			env = append(env, e)
		}
	}
	return env
}

// shares lists the folders that go test wants a test to write.
func shares(args []string) (list []string) {
	for _, a := range args {
		flag, value, _ := strings.Cut(a, "=")
		folder := value
		switch flag {
		case "-test.coverprofile":
			folder = filepath.Dir(value)
		case "-test.gocoverdir", "-test.outputdir":
		default:
			continue
		}
		if folder, err := filepath.Abs(folder); err == nil && value != "" && !slices.Contains(list, folder) {
			list = append(list, folder)
		}
	}
	return list
}

// run starts QEMU and waits for it. The kernel's first serial line is the
// program's, its second one the kernel's own; the exit status comes through a
// port made for that, as twice itself and one.
func (m *machine) run(kernel, archive string, j job) (int, error) {
	args := []string{
		"-M", "pc", "-accel", "tcg", "-cpu", "max", "-smp", strconv.Itoa(m.processors), "-m", strconv.Itoa(m.memory),
		"-nodefaults", "-display", "none", "-no-reboot", "-monitor", "none",
		"-chardev", "stdio,id=program,signal=off", "-serial", "chardev:program", "-serial", "file:" + m.log,
		"-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", kernel, "-initrd", archive,
		"-append", "console=ttyS1 quiet panic=-1 mitigations=off tsc=reliable no_timer_check nokaslr random.trust_cpu=on 8250.nr_uarts=2",
	}
	for i, folder := range j.Shares {
		args = append(args, "-fsdev", fmt.Sprintf("local,id=%s,path=%s,security_model=none", shareTag(i), folder),
			"-device", fmt.Sprintf("virtio-9p-pci,fsdev=%s,mount_tag=%s", shareTag(i), shareTag(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.limit)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	qemu.Stdout, qemu.Stderr = os.Stdout, os.Stderr
	noOrphan(qemu)
	err := qemu.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return 0, fmt.Errorf("%w (.ci/vm --fetch installs it)", err)
	}
	code := qemu.ProcessState.ExitCode()
	if code > 0 && code&1 == 1 {
		return code >> 1, nil
	}
	said, _ := os.ReadFile(m.log)
	const most = 4000
	why := "the machine ended without a status"
	if ctx.Err() != nil {
		why = fmt.Sprintf("the machine did not end within %v", m.limit)
	}
	return 0, fmt.Errorf("%s (QEMU: %v); its kernel said last:\n%s", why, err, said[max(0, len(said)-most):])
}
