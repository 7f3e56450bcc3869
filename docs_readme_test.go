package client_test

import (
	"strings"
	"testing"
)

// The README is to be read to the end.
const (
	readmeLines = 250
	readmeWords = 1500
)

func TestReadme_size(t *testing.T) {
	text := readDocument(t, "README.md")
	if n := strings.Count(text, "\n"); n > readmeLines {
		t.Errorf("README.md has %d lines, more than %d: move what is not for the first hour to docs/", n, readmeLines)
	}
	if n := len(strings.Fields(text)); n > readmeWords {
		t.Errorf("README.md has %d words, more than %d: move what is not for the first hour to docs/", n, readmeWords)
	}
}
