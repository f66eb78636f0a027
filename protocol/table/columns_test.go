package table

import (
	"math"
	"testing"

	"photongate/protocol"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		v     float64
		point byte
		want  string
	}{
		{0, '.', "0.000000"}, {0.1234567, '.', "0.123457"}, {-2.5, '.', "-2.500000"}, {57120, ',', "57120,000000"},
		{1e11, '.', "100000000000.000000"}, {1e11, ',', "100000000000,000000"}, {-1e11, '.', "-100000000000.000000"},
		{math.MaxUint64, '.', "18446744073709551616.000000"},
	} {
		how := cellText{point: c.point}
		if got := string(how.float(nil, c.v)); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
}

// TestColumnsSay what they hold, as the JSON beside a file tells it.
func TestColumnsSay(t *testing.T) {
	p := &Part{channels: []protocol.Channel{
		{Name: "A", Kind: protocol.KindCount, Input: "counter 0"}, {Name: "R", Kind: protocol.KindRate, Unit: "kcps"}, {Name: "temp", Kind: protocol.KindAuxiliary, Unit: "degC"},
	}}
	told := func(words ...string) (list []string) {
		v := viewOf(t, words...)
		for _, c := range Columns(&v, p) {
			list = append(list, c.Name+" ["+c.Unit+"] "+c.Says)
		}
		return list
	}
	equal(t, "as read", told()[8:], []string{"A [] events in the gate, input counter 0; empty when not known", "R [kcps] events per second; empty when not known", "temp [degC] value; empty when not known"})
	equal(t, "times of bins", told("--every", "1s", "--tz", "local")[:5], []string{
		"time_utc [] begin of the bin, UTC as the gateway knows it; empty when it is not known", "time_local [] the same in local time",
		"t_s [s] begin of the bin, since the first row of this file", "gate_s [s] length of the bin", "live_s [s] what the gates that began in the bin really counted"})
	equal(t, "rates of bins", told("--every", "1s", "--rate")[8:], []string{
		"A_cps [1/s] events in the gates that began in the bin, input counter 0, divided by the live time; empty when not known",
		"A_cps_err [1/s] one standard deviation of it: the square root of the events, divided by the live time",
		"R [kcps] events per second, mean of the gates that began in the bin, weighted by live time; empty when not known",
		"temp [degC] value, of the last gate that began in the bin; empty when not known"})
}

// TestClockErrors: what a gateway says of its own clock.
func TestClockErrors(t *testing.T) {
	clocks := NewClockTable()
	base := mustID(t, baseID)
	if _, known := clocks.WorstError(); known || clocks.Synchronised() {
		t.Error("nothing was said, and something is known")
	}
	clocks.Add(base, baseNs, &protocol.Clock{Sync: protocol.SyncUnsynchronised, EstErrorNs: protocol.Ref(protocol.Int64(9))})
	if _, known := clocks.WorstError(); known || clocks.Synchronised() {
		t.Error("an unsynchronised clock estimates nothing")
	}
	for i, ns := range []protocol.Int64{5, 7, 6} {
		clocks.Add(base, baseNs+int64(1+i), &protocol.Clock{Sync: protocol.SyncSynchronised, EstErrorNs: &ns})
	}
	if worst, known := clocks.WorstError(); worst != 7 || !known || !clocks.Synchronised() {
		t.Errorf("%d, %v, want 7", worst, known)
	}
}
