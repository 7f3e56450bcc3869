package benchmarks

import (
	"os"
	"testing"
)

// TestPages_AreOfTheResults fails when results.json, the chart and the pages are not of one run:
// make chart writes them together, and make chart CHART=-from=results.json without measuring.
func TestPages_AreOfTheResults(t *testing.T) {
	r := committed(t)
	chart, err := r.Chart()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.ReadmeRows()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]func(text string) (string, error){
		"../docs/speed.svg": func(string) (string, error) { return chart, nil },
		"README.md":         func(text string) (string, error) { return TableSection().Replace(text, r.Markdown()) },
		"../README.md":      func(text string) (string, error) { return SpeedSection().Replace(text, rows) },
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		generated, err := want(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if generated != string(text) {
			t.Errorf("%s is not what %s results in: run make chart CHART=-from=results.json", file, resultsFile)
		}
	}
}
