package info

import "sync"

// Scratch is the memory that taking an INFO reply apart needs, and the
// order that its lines ended up in. Servers print their fields in the same
// order each time, so that with the order of the last reply the lines of this
// one usually are sorted already. The order is a hint: whether they are is
// looked at before they are used.
type Scratch struct {
	lines, arranged []Line
	sections        []section

	// order holds, for each place in the last reply's sorted lines, the number
	// of the line that went there; bounds are the sections it is valid within.
	order  []uint32
	bounds []section
}

var scratches = sync.Pool{New: func() any { return new(Scratch) }}

// maxScratchLines bounds the memory that waits to be used again; an INFO with
// statistics of every command has some hundred lines.
const maxScratchLines = 4096

func NewScratch() *Scratch { return scratches.Get().(*Scratch) }

// Scan is Scan in the scratch's memory, with the lines of each section
// arranged by the hint. The text's lines are valid until release.
func (s *Scratch) Scan(text []byte) (Text, error) { return s.scan(text, sectionName) }

// ScanHeaders is Scan that takes each "#" line for a section.
func (s *Scratch) ScanHeaders(text []byte) (Text, error) { return s.scan(text, everyHeader) }

func (s *Scratch) scan(text []byte, header func(last, line []byte) ([]byte, bool)) (Text, error) {
	x, err := scan(text, s.sections[:0], s.lines[:0], header)
	if err != nil {
		return x, err
	}
	s.sections, s.lines = x.Sections, x.Lines
	if !s.fits(x.Sections, len(x.Lines)) {
		s.bounds = append(s.bounds[:0], x.Sections...)
		s.order = s.order[:0]
		return x, nil
	}
	s.arranged = s.arranged[:0]
	for _, number := range s.order {
		s.arranged = append(s.arranged, x.Lines[number])
	}
	s.lines, s.arranged = s.arranged, s.lines
	x.Lines = s.lines
	return x, nil
}

// fits reports whether the order of the last reply can be that of one with
// these sections: each holds as many lines, so that the order stays within it.
func (s *Scratch) fits(sections []section, lines int) bool {
	if len(s.order) != lines || len(s.bounds) != len(sections) {
		return false
	}
	for i, section := range sections {
		if s.bounds[i].First != section.First || s.bounds[i].End != section.End {
			return false
		}
	}
	return true
}

// Release remembers the order of x's lines and gives the memory back.
func (s *Scratch) Release(x *Text) {
	if cap(s.lines) > maxScratchLines {
		return
	}
	s.order = s.order[:0]
	for _, line := range x.Lines {
		s.order = append(s.order, line.number)
	}
	scratches.Put(s)
}
