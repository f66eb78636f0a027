package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"photongate/cmd/internal/faults"
)

// grace is what a package that ran out of time has to say where it was.
const grace = 30 * time.Second

// runAll runs the tests of the packages one after the other, so that none
// disturbs another's figures, and says on stderr how far it is. failed names
// the packages that failed for another reason than a test.
func (o options) runAll(ctx context.Context, packages []pkg, stderr io.Writer) (results *faults.Results, failed []string, err error) {
	form, tests := "long", 0
	if o.short {
		form = "short"
	}
	for _, p := range packages {
		tests += len(p.tests)
	}
	began := time.Now()
	fmt.Fprintf(stderr, "%d tests in %d packages for %d faults, %s form; this takes at most %v, until %s\n",
		tests, len(packages), len(o.wanted), form, o.limit, began.Add(o.limit).Format("15:04:05"))
	results = &faults.Results{}
	for i, p := range packages {
		left := o.limit - time.Since(began)
		if left <= 0 || ctx.Err() != nil {
			failed = append(failed, p.dir+": no time was left to run it")
			continue
		}
		fmt.Fprintf(stderr, "[%d/%d] %s: %d tests, %v of %v gone\n", i+1, len(packages), p.dir, len(p.tests),
			time.Since(began).Round(time.Second), o.limit)
		why, err := o.runPackage(ctx, p, left, results, stderr)
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			failed = append(failed, p.dir+": "+why)
		}
	}
	fmt.Fprintf(stderr, "took %v\n", time.Since(began).Round(time.Second))
	return results, failed, nil
}

// runPackage runs the tests of one package, for no longer than left. why says
// what was wrong with the run as a whole.
func (o options) runPackage(ctx context.Context, p pkg, left time.Duration, results *faults.Results, stderr io.Writer) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, left+grace)
	defer cancel()
	args := []string{"test", "-json", "-count=1", "-tags", o.tags, "-timeout", left.String(),
		"-run", "^(" + strings.Join(p.tests, "|") + ")$"}
	if o.race {
		args = append(args, "-race")
	}
	test := exec.CommandContext(ctx, "go", append(args, "./"+p.dir)...)
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) }
	test.WaitDelay = grace
	test.Env = append(os.Environ(), "PHOTONGATE_CHAOS="+map[bool]string{true: "", false: "long"}[o.short])
	test.Stderr = stderr
	out, err := test.StdoutPipe()
	if err == nil {
		err = test.Start()
	}
	if err != nil {
		return "", fmt.Errorf("run go test: %w", err)
	}
	readErr := follow(out, results, stderr)
	waitErr := test.Wait()
	switch {
	case readErr != nil:
		return fmt.Sprintf("what go test prints cannot be read: %v", readErr), nil
	case waitErr != nil:
		return "go test failed", nil
	}
	return "", nil
}

// progress marks what a long test says on its way.
const progress = "progress:"

// follow reads the events of go test -json into results and shows what people
// want to see meanwhile: each test that ended, the progress of long ones, and all
// output of those that failed.
func follow(events io.Reader, results *faults.Results, w io.Writer) error {
	held := map[string][]string{} // output of tests that have not passed
	in := bufio.NewReader(events)
	for {
		text, err := in.ReadString('\n')
		if e, ok := faults.ParseEvent([]byte(text)); ok {
			results.Take(e)
			show(e, held, w)
		} else if text != "" {
			fmt.Fprint(w, text)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func show(e faults.Event, held map[string][]string, w io.Writer) {
	switch e.Action {
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "output":
		if _, said, ok := strings.Cut(e.Output, progress); ok {
			fmt.Fprintf(w, "    %s:%s", e.Test, said)
		}
		if !strings.HasPrefix(e.Output, "=== ") {
			held[e.Test] = append(held[e.Test], e.Output)
		}
	case "pass":
		delete(held, e.Test)
		if e.Test != "" && !strings.Contains(e.Test, "/") {
			fmt.Fprintf(w, "    ok   %s (%.1f s)\n", e.Test, e.Elapsed)
		}
	case "fail", "skip":
		for _, line := range held[e.Test] {
			fmt.Fprint(w, line)
		}
		delete(held, e.Test)
		if e.Test != "" {
			fmt.Fprintf(w, "    %s %s (%.1f s)\n", e.Action, e.Test, e.Elapsed)
		}
	}
}
