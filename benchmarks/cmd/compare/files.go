package main

import (
	"fmt"
	"os"

	"github.com/coreos/etcd/client/benchmarks"
)

// A page is a Markdown file with a section that is written.
type page struct {
	file    string
	section benchmarks.Section
	content func(benchmarks.Results) (string, error)
}

// pages returns the pages that the settings want written.
func (s settings) pages() []page {
	var all []page
	if s.table != "" {
		table := func(r benchmarks.Results) (string, error) { return r.Markdown(), nil }
		all = append(all, page{s.table, benchmarks.TableSection(), table})
	}
	if s.readme != "" {
		all = append(all, page{s.readme, benchmarks.SpeedSection(), benchmarks.Results.ReadmeRows})
	}
	return all
}

// checkPages returns an error if a page has no place for its section, which is worth
// knowing before minutes of measuring.
func (s settings) checkPages() error {
	for _, p := range s.pages() {
		if _, err := p.with(""); err != nil {
			return err
		}
	}
	return nil
}

// with returns the page as it is now, with content as its section.
func (p page) with(content string) (string, error) {
	text, err := os.ReadFile(p.file)
	if err != nil {
		return "", err
	}
	replaced, err := p.section.Replace(string(text), content)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.file, err)
	}
	return replaced, nil
}

// write writes the results first, and then the files that are made of them: all, or
// none if the results lack something.
func (s settings) write(r benchmarks.Results) error {
	if s.results != "" {
		encoded, err := r.Encode()
		if err != nil {
			return err
		}
		if err := writeFile(s.results, encoded); err != nil {
			return err
		}
	}
	type output struct{ file, content string }
	var outputs []output
	if s.chart != "" {
		chart, err := r.Chart()
		if err != nil {
			return err
		}
		outputs = append(outputs, output{s.chart, chart})
	}
	for _, p := range s.pages() {
		content, err := p.content(r)
		if err != nil {
			return err
		}
		text, err := p.with(content)
		if err != nil {
			return err
		}
		outputs = append(outputs, output{p.file, text})
	}
	for _, o := range outputs {
		if err := writeFile(o.file, []byte(o.content)); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, content []byte) error {
	const readable = 0o644
	return os.WriteFile(name, content, readable)
}
