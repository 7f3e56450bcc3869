package measure

import (
	"os"
	"strings"
)

// LoadAverage returns the system's load average of the last minute, or "" where it is not known.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}
