package benchmarks

import (
	"bytes"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// resultsFile has the committed results, which the chart and the tables are made of.
const resultsFile = "results.json"

// committed returns the committed results.
func committed(t *testing.T) Results {
	t.Helper()
	f, err := os.Open(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := ReadResults(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sample returns results of two lines.
func sample() Results {
	q := quantity{
		work: "Get <a> & b", measured: "time", unit: measure.Nanoseconds,
		ours: measure.Spread{1234.5}, historic: measure.Spread{8000}, other: measure.Spread{999.4},
	}
	return Results{
		Date: "2026-12-01", Machine: "A & B <processor>, 2 cores", LoadAverage: "0.50",
		Lines: []Line{q.against(q.historic, 0.10), {Work: "resyncs", Measured: "count", Ours: "0", Limit: "0", Verdict: Met}},
	}
}

func encode(t *testing.T, r Results) string {
	t.Helper()
	encoded, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestResults_RoundTrip(t *testing.T) {
	unknownLoad := sample()
	unknownLoad.LoadAverage = ""
	for _, want := range []Results{sample(), unknownLoad, committed(t)} {
		got, err := ReadResults(strings.NewReader(encode(t, want)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) { //nolint:forbidigo // a few pointers deep, and go-cmp is not required here
			t.Errorf("got\n%+v\nwant\n%+v", got, want)
		}
	}
}

func TestResults_CommittedFileIsEncoded(t *testing.T) {
	text, err := os.ReadFile(resultsFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := encode(t, committed(t)); got != string(text) {
		t.Errorf("%s is not what Encode writes", resultsFile)
	}
}

func TestResults_EncodeError(t *testing.T) {
	r := sample()
	r.Lines[0].Medians.Ours = math.NaN()
	if encoded, err := r.Encode(); err == nil {
		t.Errorf("not a number: got %s", encoded)
	}
}

func TestReadResults_Errors(t *testing.T) {
	whole := encode(t, sample())
	for name, test := range map[string]struct{ old, new, want string }{
		"unknown field":            {`"date"`, `"day": "", "date"`, `unknown field "day"`},
		"unknown field of a line":  {`"work"`, `"job": "", "work"`, `unknown field "job"`},
		"unknown field of medians": {`"medians": {`, `"medians": {"mean": 1,`, `unknown field "mean"`},
		"data behind it":           {whole, whole + "{}", "data behind the results"},
		"half of it":               {whole, whole[:len(whole)/2], "unexpected EOF"},
		"nothing":                  {whole, "", "EOF"},
		"no date":                  {"2026-12-01", "", "the date"},
		"another date":             {"2026-12-01", "1 December", "the date"},
		"no machine":               {"A & B <processor>, 2 cores", "", "no machine"},
		"no lines":                 {whole, `{"date": "2026-12-01", "machine": "a"}`, "no lines"},
		"a line without work":      {"Get <a> & b", "", "without work"},
		"an unknown verdict":       {`"missed"`, `"nearly"`, `unknown verdict "nearly"`},
		"text as a number":         {"1234.5", `"1234.5"`, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(whole, test.old) {
				t.Fatalf("%q is not in\n%s", test.old, whole)
			}
			_, err := ReadResults(strings.NewReader(strings.ReplaceAll(whole, test.old, test.new)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestResults_Markdown(t *testing.T) {
	const want = "Measured on A & B <processor>, 2 cores, 2026-12-01, load average 0.50 before the run: medians of"
	if got := sample().Markdown(); !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	r := sample()
	r.LoadAverage = ""
	if got := r.Markdown(); !strings.Contains(got, "2026-12-01: medians of") || !strings.HasSuffix(got, Table(r.Lines)) {
		t.Errorf("without a load average: %q", got)
	}
}

func TestNewResults(t *testing.T) {
	r := NewResults()
	if _, err := strconv.ParseFloat(r.LoadAverage, 64); r.LoadAverage != "" && err != nil {
		t.Errorf("load average: %v", err)
	}
	r.Lines = sample().Lines
	if _, err := ReadResults(bytes.NewReader([]byte(encode(t, r)))); err != nil {
		t.Error(err)
	}
}
