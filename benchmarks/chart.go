package benchmarks

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The chart's geometry, in pixels.
const (
	chartWidth  = 960
	chartMargin = 30
	titleY      = 48
	subtitleY   = 74
	legendY     = 106 // the baseline of its text
	groupsY     = 132 // where the first group begins
	groupPitch  = 78
	barPitch    = 20
	barHeight   = 15
	barX        = 250 // where bars begin
	fullBar     = 560 // the length of a group's longest bar
	figureGap   = 8   // between a bar and its figure
	textDown    = 12  // from the top of a bar to the baseline of its figure
	footerDown  = 24  // from the end of the groups to the baseline of the footer
	linePitch   = 20  // between the footer's baselines
	footerSpace = 22  // below the last of them
)

// Colors that differ in brightness too, with outlines that stand out from white.
const (
	oursColor     = `fill="#0369a1" stroke="#0369a1"`
	historicColor = `fill="#fbbf24" stroke="#b45309"`
	bareColor     = `fill="#e2e8f0" stroke="#64748b"`

	strongText = `fill="#0f172a"`
	softText   = `fill="#475569" font-size="13"`
)

// A barGroup is one piece of work on the chart.
type barGroup struct {
	title, note string
	line        Line // with medians
}

type bar struct {
	client, color string
	figure        string
	value         float64 // what the length is proportional to
}

// bars returns the bars of the group, in the order of the legend.
func (g barGroup) bars() []bar {
	return []bar{
		{oursTitle, oursColor, g.line.Ours, g.line.Medians.Ours},
		{historicTitle, historicColor, g.line.Historic, g.line.Medians.Historic},
		{bareTitle, bareColor, g.line.Other, g.line.Medians.Other},
	}
}

// longest returns the value whose bar has the full length.
func (g barGroup) longest() float64 {
	return max(g.line.Medians.Ours, g.line.Medians.Historic, g.line.Medians.Other)
}

// Chart returns a chart of the processor time that the clients take, in SVG. The same results
// have the same chart. A line that is missing is an error.
func (r Results) Chart() (string, error) {
	var groups []barGroup
	for _, h := range highlights() {
		l, err := r.comparison(h.work, processorTime)
		if err != nil {
			return "", err
		}
		groups = append(groups, barGroup{h.title, h.note, l})
	}
	return drawChart(groups, r.environment()), nil
}

// drawChart returns the chart of groups that were measured in an environment.
func drawChart(groups []barGroup, environment string) string {
	const (
		title    = "Processor time of one operation"
		subtitle = "On a loopback connection; shorter is better. Bars are relative to the slowest client of their group."
		figures  = "Figures are medians of interleaved rounds, ± half the distance between the quartiles."
	)
	groupsEnd := groupsY + groupPitch*len(groups)
	height := groupsEnd + footerDown + linePitch + footerSpace

	var c canvas
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc" font-family="Helvetica, Arial, sans-serif" font-size="14">`,
		chartWidth, height, chartWidth, height)
	c.printf(`  <!-- Written by make chart from benchmarks/results.json. -->`)
	c.printf(`  <title id="title">%s</title>`, escape(title))
	c.printf(`  <desc id="desc">%s</desc>`, escape(describe(groups)))
	c.printf(`  <rect width="%d" height="%d" rx="12" fill="#ffffff" stroke="#cbd5e1"/>`, chartWidth, height)
	c.text(chartMargin, titleY, strongText+` font-size="20" font-weight="bold"`, title)
	c.text(chartMargin, subtitleY, softText, subtitle)
	c.legend()
	for i, g := range groups {
		c.group(groupsY+groupPitch*i, g)
	}
	c.text(chartMargin, groupsEnd+footerDown, softText, figures)
	c.text(chartMargin, groupsEnd+footerDown+linePitch, softText, "Measured on "+environment)
	c.printf(`</svg>`)
	return c.String()
}

// describe returns the figures of the chart in words, for those who can't see it.
func describe(groups []barGroup) string {
	var all []string
	for _, g := range groups {
		var figures []string
		for _, b := range g.bars() {
			figures = append(figures, b.client+" "+b.figure)
		}
		all = append(all, fmt.Sprintf("%s, %s: %s.", g.title, g.note, strings.Join(figures, ", ")))
	}
	return strings.Join(all, " ")
}

// A canvas is an SVG document that is being written.
type canvas struct{ strings.Builder }

// printf writes a line. Arguments that are text must be escaped.
func (c *canvas) printf(format string, arguments ...any) {
	fmt.Fprintf(&c.Builder, format+"\n", arguments...)
}

// text writes text whose baseline begins at a point.
func (c *canvas) text(x float64, y int, attributes, text string) {
	c.printf(`  <text x="%.6g" y="%d" %s>%s</text>`, x, y, attributes, escape(text))
}

// legend writes the name of each client beside its color.
func (c *canvas) legend() {
	const swatch, swatchGap, itemPitch = 14, 8, 170
	c.printf(`  <g class="legend">`)
	for i, b := range (barGroup{line: Line{Medians: &Medians{}}}).bars() {
		x := float64(barX + itemPitch*i)
		c.printf(`  <rect x="%.6g" y="%d" width="%d" height="%d" rx="2" %s/>`, x, legendY-textDown, swatch, swatch, b.color)
		c.text(x+swatch+swatchGap, legendY, strongText, b.client)
	}
	c.printf(`  </g>`)
}

// group writes the name and the bars of a group, with the figures beside them.
func (c *canvas) group(y int, g barGroup) {
	const titleDown, noteDown = 24, 43
	c.printf(`  <g class="group">`)
	c.text(chartMargin, y+titleDown, strongText+` font-weight="bold"`, g.title)
	c.text(chartMargin, y+noteDown, softText, g.note)
	for i, b := range g.bars() {
		top := y + barPitch*i
		length := fullBar * b.value / g.longest()
		c.printf(`  <rect x="%d" y="%d" width="%.1f" height="%d" %s/>`, barX, top, length, barHeight, b.color)
		c.text(barX+length+figureGap, top+textDown, strongText+` font-size="13"`, b.figure)
	}
	c.printf(`  </g>`)
}

// escape returns text for XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) //nolint:errcheck // a Builder returns no error
	return b.String()
}
