package client_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// The README is to be read to the end.
const (
	readmeLines = 250
	readmeWords = 1500
)

func TestReadme_size(t *testing.T) {
	file, err := filepath.Abs("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := readDocument(t, file)
	if n := strings.Count(text, "\n"); n > readmeLines {
		t.Errorf("README.md has %d lines, more than %d: move what is not for the first hour to docs/", n, readmeLines)
	}
	if n := len(strings.Fields(text)); n > readmeWords {
		t.Errorf("README.md has %d words, more than %d: move what is not for the first hour to docs/", n, readmeWords)
	}
}
