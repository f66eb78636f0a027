package cmd_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recordedBench is a bench with some seconds in its archive.
func recordedBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, "de2ccu", "") // its channels have names as A'
	b.startSim()
	gateway := b.startGateway()
	gateway.waitFor("bench", "running")
	if code := b.startRecord("--for", "3s").exit(); code != 0 {
		t.Fatalf("record: exit %d", code)
	}
	return b
}

// catFile writes the archive as CSV into a file, as its user in some country
// would.
func (b *bench) catFile(t *testing.T, name, locale string, args ...string) string {
	t.Helper()
	cat := exec.CommandContext(t.Context(), filepath.Join(bin, "photonrecv"), append([]string{"cat", b.archive, "--stream", "bench"}, args...)...)
	cat.Env = append(os.Environ(), "LC_ALL="+locale)
	out, err := cat.Output()
	if err != nil {
		t.Fatalf("cat %v: %v", args, err)
	}
	path := filepath.Join(t.TempDir(), name)
	writeFile(t, path, out)
	return path
}

// readPandas is what a user types, and says what came of it.
const readPandas = `
import json, sys, pandas
d = pandas.read_csv(sys.argv[1])
times = pandas.to_datetime(d["time_utc"])
print(json.dumps({"dtypes": {c: str(t) for c, t in d.dtypes.items() if c != "flags"}, "rows": len(d),
    "utc": str(times.dt.tz), "begin": times.min().isoformat(), "sum": {c: float(v) for c, v in d.select_dtypes("number").sum().items()}}))
`

// TestPandasOpensCSV without options.
func TestPandasOpensCSV(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import pandas").Run(); err != nil {
		leftOut(t, "no pandas for "+python+" (Debian: apt-get install python3-pandas)")
	}
	b := recordedBench(t)
	plain := b.catFile(t, "plain.csv", "C")
	for name, c := range map[string]struct {
		args   []string
		dtypes string // of time_utc and all that follows, but flags
	}{
		"as they are": {nil, "object float64 float64 float64 object int64 int64" + strings.Repeat(" int64", 8)},
		"rates of seconds in local time": {[]string{"--every", "1s", "--rate", "--tz", "Europe/Vienna"},
			"object object float64 float64 float64 object int64 int64" + strings.Repeat(" float64", 16)},
		"merged": {[]string{"--merge", "--every", "500ms"}, "object float64 float64 float64" + strings.Repeat(" int64", 8)},
	} {
		path := plain
		if c.args != nil {
			path = b.catFile(t, "other.csv", "C", c.args...)
		}
		out, err := exec.CommandContext(t.Context(), python, "-c", readPandas, path).Output()
		if err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Fatalf("%s: %v\n%s", name, err, exit.Stderr)
			}
			t.Fatalf("%s: %v", name, err)
		}
		var got struct {
			Dtypes map[string]string
			Rows   int
			UTC    string
			Begin  string
			Sum    map[string]float64
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		rows := readCSV(t, path, ',')
		var types []string
		for _, column := range rows[0] {
			if column != "flags" {
				types = append(types, got.Dtypes[column])
			}
		}
		if diff := cmp.Diff(strings.Join(types, " "), c.dtypes); diff != "" {
			t.Errorf("%s: dtypes (-got +want):\n%s", name, diff)
		}
		if got.Rows != len(rows)-1 || got.UTC != "UTC" || !strings.HasPrefix(got.Begin, rows[1][0][:19]) {
			t.Errorf("%s: %d rows, zone %s, from %s; the file has %d rows from %s", name, got.Rows, got.UTC, got.Begin, len(rows)-1, rows[1][0])
		}
		if name == "as they are" && got.Sum["A'"] != sumOf(t, rows, "A'") {
			t.Errorf("sum of A' is %v, want %v", got.Sum["A'"], sumOf(t, rows, "A'"))
		}
	}
}

func sumOf(t *testing.T, rows [][]string, column string) (sum float64) {
	t.Helper()
	for i, name := range rows[0] {
		if name != column {
			continue
		}
		for _, row := range rows[1:] {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}

func readCSV(t *testing.T, path string, separator rune) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\uFEFF")))
	r.Comma = separator
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows
}

// TestLibreOfficeOpensCSV: Calc takes numbers for numbers and, in the form for
// Excel, times for times, in English and in German.
func TestLibreOfficeOpensCSV(t *testing.T) {
	t.Parallel()
	soffice := needs(t, "soffice", "libreoffice-calc-nogui")
	b := recordedBench(t)
	for name, c := range map[string]struct {
		args      []string
		locale    string
		separator rune
		point     string
		times     bool // they are times to Calc
	}{
		"plain":  {nil, "en-US", ',', ".", false},
		"excel":  {[]string{"--excel"}, "en-US", ',', ".", true},
		"german": {[]string{"--excel", "--tz", "Europe/Vienna", "--rate"}, "de-DE", ';', ",", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := b.catFile(t, name+".csv", strings.ReplaceAll(c.locale, "-", "_")+".UTF-8", c.args...)
			chosen := c.separator
			if c.args == nil {
				chosen = 0
			}
			want, got := readCSV(t, path, c.separator), calc(t, soffice, path, c.locale, chosen)
			if len(got) != len(want) {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for i, row := range want {
				for k, text := range row {
					checkCell(t, want[0][k], got[i][k], text, c.point, c.times && strings.HasPrefix(want[0][k], "time_"), i == 0)
				}
				if t.Failed() {
					t.Fatalf("row %d: %q", i, row)
				}
			}
		})
	}
}

// sheetCell is a cell of Calc.
type sheetCell struct{ kind, value string }

// checkCell compares a cell of Calc with what stands in the CSV.
func checkCell(t *testing.T, column string, got sheetCell, text, point string, isTime, isHeader bool) {
	t.Helper()
	number, err := strconv.ParseFloat(strings.ReplaceAll(text, point, "."), 64)
	switch {
	case text == "":
		if got.kind != "" && got.value != "" {
			t.Errorf("%s: %+v, want an empty cell", column, got)
		}
	case isTime && !isHeader:
		want, err := time.Parse("2006-01-02 15:04:05.000", text)
		if err != nil {
			t.Fatal(err)
		}
		when, err := time.Parse("2006-01-02T15:04:05.999999999", got.value)
		if off := when.Sub(want).Abs(); got.kind != "date" || err != nil || off >= 10*time.Millisecond { // the sheet is written to hundredths
			t.Errorf("%s: %+v, want the time %s", column, got, text)
		}
	case err == nil:
		if value, err := strconv.ParseFloat(got.value, 64); got.kind != "float" || err != nil || value != number {
			t.Errorf("%s: %+v, want the number %s", column, got, text)
		}
	case got.kind != "string" || got.value != text:
		t.Errorf("%s: %+v, want the text %s", column, got, text)
	}
}

// calc opens a CSV in LibreOffice Calc as a user of a country would, and returns
// the cells. separator 0: nothing is chosen.
func calc(t *testing.T, soffice, path, locale string, separator rune) [][]sheetCell {
	t.Helper()
	profile, out := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(profile, "user"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(profile, "user", "registrymodifications.xcu"), []byte(`<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>`+locale+`</value></prop></item>
</oor:items>`))
	args := []string{"--headless", "-env:UserInstallation=file://" + profile, "--convert-to", "fods", "--outdir", out}
	if separator != 0 {
		args = append(args, "--infilter=Text - txt - csv (StarCalc):"+strconv.Itoa(int(separator))+",34,76,1") // the separator, ", UTF-8, from row 1
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	office := exec.CommandContext(ctx, soffice, append(args, path)...)
	office.Env = append(os.Environ(), "HOME="+profile)
	if text, err := office.CombinedOutput(); err != nil {
		t.Fatalf("soffice: %v\n%s", err, text)
	}
	file, err := os.Open(filepath.Join(out, strings.TrimSuffix(filepath.Base(path), ".csv")+".fods"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return sheet(t, file)
}

// sheet reads the cells of an OpenDocument sheet.
func sheet(t *testing.T, r io.Reader) (rows [][]sheetCell) {
	t.Helper()
	var doc struct {
		Rows []struct {
			Cells []struct {
				Kind   string   `xml:"value-type,attr"`
				Number string   `xml:"value,attr"`
				Date   string   `xml:"date-value,attr"`
				Repeat int      `xml:"number-columns-repeated,attr"`
				Text   []string `xml:"p"`
			} `xml:"table-cell"`
		} `xml:"body>spreadsheet>table>table-row"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for _, row := range doc.Rows {
		var cells []sheetCell
		for _, c := range row.Cells {
			one := sheetCell{c.Kind, map[string]string{"float": c.Number, "date": c.Date, "string": strings.Join(c.Text, "\n")}[c.Kind]}
			for range max(c.Repeat, 1) {
				cells = append(cells, one)
			}
		}
		rows = append(rows, cells)
	}
	return rows
}
