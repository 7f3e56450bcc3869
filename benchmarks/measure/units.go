package measure

import (
	"fmt"
	"math"
)

// None stands in cells of which there is nothing to say.
const None = "–"

// A Unit writes a value in words.
type Unit func(float64) string

// Nanoseconds writes a time.
func Nanoseconds(v float64) string {
	switch {
	case v < 1e3:
		return Figures(v) + " ns"
	case v < 1e6:
		return Figures(v/1e3) + " µs"
	case v < 1e9:
		return Figures(v/1e6) + " ms"
	}
	return Figures(v/1e9) + " s"
}

// Bytes writes an amount of memory.
func Bytes(v float64) string {
	switch {
	case v < 1e3:
		return Figures(v) + " B"
	case v < 1e6:
		return Figures(v/1e3) + " kB"
	}
	return Figures(v/1e6) + " MB"
}

// Count writes a number of things, of which there may be many or parts.
func Count(v float64) string {
	if v >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return Figures(v)
}

// Figures writes the first three figures, or more where there are more before the point.
func Figures(v float64) string {
	switch {
	case v >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// With writes the median in u, and half the distance between the quartiles in percent of it.
func (s Spread) With(u Unit) string {
	if len(s) == 0 {
		return None
	}
	const percent = 100
	around := math.Round((s.At(0.75) - s.At(0.25)) / 2 / s.Median() * percent)
	if !(around >= 1) { // not a number, where all is zero
		return u(s.Median())
	}
	return fmt.Sprintf("%s ± %.0f %%", u(s.Median()), around)
}
