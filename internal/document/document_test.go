package document

import "testing"

func TestFirstDifference(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, output, line string
		differs             bool
	}{
		{"a\nb", "a\nb", "", false},
		{"a…\nd", "a\nb\nc\nd", "", false},
		{"a…", "a\nb", "", false},
		{"a\nb\nc", "a\nx\nc", "b", true},
		{"a\nb", "a", "b", true},
		{"a", "a\nb", "", true},
		{`{"up":1,…}`, `{"up":0,"x":2}`, `{"up":1,…}`, true},
	} {
		if line, differs := firstDifference(c.shown, c.output); line != c.line || differs != c.differs {
			t.Errorf("%q and %q: got %q, %v", c.shown, c.output, line, differs)
		}
	}
}
