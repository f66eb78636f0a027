// Command vmexec runs a program, usually a test, on a real kernel in a virtual
// machine that is made for it and thrown away:
//
//	go test -exec "vmexec -kernel FOLDER" ./device/usbport
//
// It is the first process of that machine, too: it loads the kernel's modules,
// runs the program with what it says on standard output and error going through,
// and ends with its exit status. The machine has no disk and no network but its
// own loopback; the files of the program's package under testdata and those
// named by -add are in it, and folders that go test wants written are shared. KVM
// is not needed: QEMU translates the code, a few times slower.
//
// Wherever the machine itself fails, the exit status is 125, and the end of what
// its kernel said follows.
package main

import (
	"fmt"
	"os"
)

func main() {
	if os.Getpid() == 1 {
		beFirst()
		return
	}
	code, err := host()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmexec:", err)
		code = failed
	}
	os.Exit(code)
}

// failed is the exit status when the machine did not do its work.
const failed = 125

// job is what the machine finds to do, in jobFile.
type job struct {
	Args    []string // program and its arguments
	Env     []string
	Dir     string   // working folder
	Modules []string // files of modules to load, in order
	Shares  []string // folders of the host, mounted at their own place; tags are share0, share1...
}

const jobFile = "/job.json"

func shareTag(i int) string { return fmt.Sprintf("share%d", i) }
