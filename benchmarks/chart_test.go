package benchmarks

import (
	"encoding/xml"
	"math"
	"strings"
	"testing"
)

// svgChart is what tests read of a chart.
type svgChart struct {
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Role   string  `xml:"role,attr"`
	Label  string  `xml:"aria-labelledby,attr"`
	Size   float64 `xml:"font-size,attr"`
	Title  struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"title"`
	Desc struct {
		ID   string `xml:"id,attr"`
		Text string `xml:",chardata"`
	} `xml:"desc"`
	Texts  []svgText  `xml:"text"`
	Groups []svgGroup `xml:"g"`
}

type svgGroup struct {
	Class string    `xml:"class,attr"`
	Rects []svgRect `xml:"rect"`
	Texts []svgText `xml:"text"`
}

type svgRect struct {
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Fill   string  `xml:"fill,attr"`
	Stroke string  `xml:"stroke,attr"`
}

type svgText struct {
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Size   float64 `xml:"font-size,attr"` // zero: the chart's
	Weight string  `xml:"font-weight,attr"`
	Text   string  `xml:",chardata"`
}

// right estimates where the text ends. Helvetica's letters are half as wide as they are high on
// average, and bold ones somewhat wider.
func (t svgText) right(chart svgChart) float64 {
	size, width := t.Size, 0.52
	if size == 0 {
		size = chart.Size
	}
	if t.Weight == "bold" {
		width = 0.6
	}
	return t.X + width*size*float64(len([]rune(t.Text)))
}

func parseChart(t *testing.T, text string) svgChart {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	var c svgChart
	if err := decoder.Decode(&c); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

// barGroups returns the groups of bars, without the legend.
func (c svgChart) barGroups() []svgGroup {
	var all []svgGroup
	for _, g := range c.Groups {
		if g.Class == "group" {
			all = append(all, g)
		}
	}
	return all
}

func charts(t *testing.T) map[string]Results {
	t.Helper()
	return map[string]Results{"committed": committed(t), "made up": highlighted()}
}

func chartOf(t *testing.T, r Results) svgChart {
	t.Helper()
	text, err := r.Chart()
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.Chart()
	if err != nil || again != text {
		t.Errorf("the second chart of the same results differs, or %v", err)
	}
	return parseChart(t, text)
}

func TestChart_Bars(t *testing.T) {
	for name, r := range charts(t) {
		t.Run(name, func(t *testing.T) {
			groups := chartOf(t, r).barGroups()
			if len(groups) != len(highlights()) {
				t.Fatalf("%d groups of bars, want %d", len(groups), len(highlights()))
			}
			for i, h := range highlights() {
				l, err := r.comparison(h.work, processorTime)
				if err != nil {
					t.Fatal(err)
				}
				checkBars(t, h, l, groups[i])
			}
		})
	}
}

func checkBars(t *testing.T, h highlight, l Line, g svgGroup) {
	t.Helper()
	m := l.Medians
	values := []float64{m.Ours, m.Historic, m.Other}
	cells := []string{l.Ours, l.Historic, l.Other}
	if len(g.Rects) != len(values) || len(g.Texts) != 2+len(values) {
		t.Fatalf("%s: %d bars and %d texts", h.work, len(g.Rects), len(g.Texts))
	}
	if g.Texts[0].Text != h.title || g.Texts[1].Text != h.note {
		t.Errorf("%s is called %q, %q", h.work, g.Texts[0].Text, g.Texts[1].Text)
	}
	slowest := max(m.Ours, m.Historic, m.Other)
	for i, v := range values {
		r, figure := g.Rects[i], g.Texts[2+i]
		if want := fullBar * v / slowest; math.Abs(r.Width-want) > 0.05 {
			t.Errorf("%s: bar %d is %.2f wide, want %.2f", h.work, i, r.Width, want)
		}
		if figure.Text != cells[i] {
			t.Errorf("%s: bar %d is called %q, want %q", h.work, i, figure.Text, cells[i])
		}
		if figure.X < r.X+r.Width || figure.Y < r.Y || figure.Y > r.Y+r.Height {
			t.Errorf("%s: figure %d is not beside its bar: %+v, %+v", h.work, i, figure, r)
		}
	}
}

func TestChart_Legend(t *testing.T) {
	c := chartOf(t, highlighted())
	legend := c.Groups[0]
	want := []string{oursTitle, historicTitle, bareTitle}
	if legend.Class != "legend" || len(legend.Rects) != len(want) || len(legend.Texts) != len(want) {
		t.Fatalf("legend: %+v", legend)
	}
	for i, name := range want {
		if legend.Texts[i].Text != name {
			t.Errorf("%q, want %q", legend.Texts[i].Text, name)
		}
		for _, g := range c.barGroups() {
			if g.Rects[i].Fill != legend.Rects[i].Fill || g.Rects[i].Stroke != legend.Rects[i].Stroke {
				t.Errorf("%s, %s: another color than in the legend", g.Texts[0].Text, name)
			}
		}
	}
}

func TestChart_TextFits(t *testing.T) {
	for name, r := range charts(t) {
		t.Run(name, func(t *testing.T) {
			c := chartOf(t, r)
			texts := c.Texts
			for _, g := range c.Groups {
				texts = append(texts, g.Texts...)
			}
			if want := 4 + 3 + 5*len(highlights()); len(texts) != want {
				t.Errorf("%d texts, want %d", len(texts), want)
			}
			for _, text := range texts {
				if text.Size != 0 && text.Size < 13 {
					t.Errorf("%q is smaller than 13", text.Text)
				}
				if right := text.right(c); right > c.Width-chartMargin {
					t.Errorf("%q ends at %.0f of %.0f", text.Text, right, c.Width)
				}
				if text.Y > c.Height-10 {
					t.Errorf("%q is below the edge", text.Text)
				}
			}
			for _, g := range c.barGroups() {
				for _, text := range g.Texts[:2] {
					if right := text.right(c); right > barX {
						t.Errorf("%q ends at %.0f, within the bars", text.Text, right)
					}
				}
			}
			for i, text := range c.Groups[0].Texts[:2] {
				if right := text.right(c); right > c.Groups[0].Rects[i+1].X {
					t.Errorf("%q ends at %.0f, within the next name", text.Text, right)
				}
			}
		})
	}
}

func TestChart_Accessible(t *testing.T) {
	c := chartOf(t, highlighted())
	if c.Role != "img" || c.Label != c.Title.ID+" "+c.Desc.ID || c.Title.Text == "" {
		t.Errorf("role %q, labelled by %q: %+v, %+v", c.Role, c.Label, c.Title, c.Desc)
	}
	const want = "Get, one small key: this client 1.00 µs ± 25 %, historic client 2.00 µs, net/http + encoding/json 4.00 µs."
	if !strings.Contains(c.Desc.Text, want) {
		t.Errorf("%q is not in %q", want, c.Desc.Text)
	}
}

func TestChart_Escapes(t *testing.T) {
	const odd = `<b> & "c" </text>`
	c := parseChart(t, drawChart([]barGroup{{odd, odd, Line{Ours: odd, Medians: &Medians{1, 2, 3}}}}, odd))
	g := c.barGroups()
	if len(g) != 1 || g[0].Texts[0].Text != odd || g[0].Texts[1].Text != odd || g[0].Texts[2].Text != odd {
		t.Errorf("groups %+v", g)
	}
	if last := c.Texts[len(c.Texts)-1].Text; !strings.HasSuffix(last, odd) {
		t.Errorf("environment %q", last)
	}
	if !strings.HasPrefix(c.Desc.Text, odd) {
		t.Errorf("description %q", c.Desc.Text)
	}
}
