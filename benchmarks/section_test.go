package benchmarks

import (
	"strings"
	"testing"
)

func TestSection_Replace(t *testing.T) {
	s := Section{"<!-- a -->", "<!-- /a -->"}
	const want = "# Page\n<!-- a -->\n\nnew\n\n<!-- /a -->\nmore\n"
	for name, page := range map[string]string{
		"empty":            "# Page\n<!-- a -->\n<!-- /a -->\nmore\n",
		"one line":         "# Page\n<!-- a -->\nold\n<!-- /a -->\nmore\n",
		"done before":      want,
		"mentioned inline": "# Page\n<!-- a -->\nsee <!-- a --> and <!-- /a -->\n<!-- /a -->\nmore\n",
	} {
		got, err := s.Replace(page, "new\n")
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := s.Replace("<!-- a -->\n<!-- /a -->\n", "new"); err != nil || got != "<!-- a -->\n\nnew\n\n<!-- /a -->\n" {
		t.Errorf("nothing else: %q, %v", got, err)
	}
}

func TestSection_ReplaceErrors(t *testing.T) {
	s := Section{"<!-- a -->", "<!-- /a -->"}
	for name, page := range map[string]string{
		"neither":      "# Page\n",
		"no end":       "<!-- a -->\n",
		"no beginning": "<!-- /a -->\n",
		"reversed":     "<!-- /a -->\n<!-- a -->\n",
		"twice":        strings.Repeat("<!-- a -->\n<!-- /a -->\n", 2),
		"two ends":     "<!-- a -->\n<!-- /a -->\n<!-- /a -->\n",
		"in a line":    "see <!-- a -->\n<!-- /a -->\n",
	} {
		if got, err := s.Replace(page, "new"); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
