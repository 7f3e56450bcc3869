//go:build unix

package main

import (
	"fmt"
	"strings"
)

// A block is one block of code of the README.
type block struct {
	line     int    // of its first line
	language string // sh, go or text
	info     string // what follows the language: foreground, or the name of a file
	text     string
}

// parseBlocks returns the blocks of a README in order. A reader pastes them like this:
//   - sh: into a terminal. With the word foreground, into a terminal of its own: it
//     goes on until the end.
//   - go and the name of a file: into that file, in the directory that the terminal
//     is in. Other blocks of Go are parts of programs: a test of the root compiles them.
//   - text: what the block before prints.
func parseBlocks(readme string) ([]block, error) {
	var blocks []block
	var open *block
	for i, line := range strings.Split(readme, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && line == "```":
			if err := checkBlock(blocks, *open); err != nil {
				return nil, err
			}
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case isFence:
			language, info, _ := strings.Cut(fence, " ")
			open = &block{line: i + 2, language: language, info: info}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: a block without an end", open.line)
	}
	return blocks, nil
}

// checkBlock returns why a block after others can't be pasted.
func checkBlock(before []block, b block) error {
	switch {
	case b.language == "sh" && (b.info == "" || b.info == "foreground"):
	case b.language == "go" && (b.info == "" || strings.HasSuffix(b.info, ".go")):
	case b.language == "text" && b.info == "":
		if len(before) == 0 || before[len(before)-1].language != "sh" {
			return fmt.Errorf("line %d: a block of text is what the block of sh before it prints, and there is none", b.line)
		}
	default:
		return fmt.Errorf("line %d: a reader does not know where to paste a block of %q", b.line, strings.TrimSpace(b.language+" "+b.info))
	}
	return nil
}
