package resp

// Limits bound what replies may cost. A field that is zero or less means its
// default. A reply that exceeds one is read past, and is then a Value of the kind
// TooLarge; only what exceeds MaxDepth or MaxPass is a *ProtocolError.
type Limits struct {
	// MaxBulk is the longest text of a bulk string, bulk error or verbatim
	// string, in bytes; 64 MiB by default, because CLIENT LIST and INFO are one
	// text whatever their length.
	MaxBulk int
	// MaxElements is how many members all aggregates of a reply may have
	// together; 1,048,576 by default. A map's keys and values count each.
	MaxElements int
	// MaxDepth is how deep aggregates may be nested; 16 by default.
	MaxDepth int
	// MaxReply is how many bytes of memory a reply may take, its texts and
	// its Values together, and with it the frames skipped before it; 64 MiB
	// by default.
	MaxReply int
	// MaxTogether is how many bytes of memory all replies since Reader.Begin may
	// take together; 256 MiB by default.
	MaxTogether int
	// MaxPass is how many bytes of a reply are read past, from the place on where
	// it exceeds one of the limits above; 512 MiB by default, which is the longest
	// text that a server keeps (its proto-max-bulk-len). They take time, and no
	// memory.
	MaxPass int
	// MaxLines is how long a text may be that is read line by line, see
	// Reader.Lines; 512 MiB by default.
	MaxLines int
}

const (
	defaultMaxBulk     = 64 << 20
	defaultMaxElements = 1 << 20
	defaultMaxDepth    = 16
	defaultMaxReply    = 64 << 20
	defaultMaxTogether = 256 << 20
	defaultMaxPass     = 512 << 20
	defaultMaxLines    = 512 << 20
)

var defaults = Limits{}.withDefaults()

// orDefault is withDefaults, one for all who set nothing.
func (l Limits) orDefault() *Limits {
	if l == (Limits{}) {
		return &defaults
	}
	l = l.withDefaults()
	return &l
}

func (l Limits) withDefaults() Limits {
	if l.MaxBulk <= 0 {
		l.MaxBulk = defaultMaxBulk
	}
	if l.MaxElements <= 0 {
		l.MaxElements = defaultMaxElements
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = defaultMaxDepth
	}
	if l.MaxReply <= 0 {
		l.MaxReply = defaultMaxReply
	}
	if l.MaxTogether <= 0 {
		l.MaxTogether = defaultMaxTogether
	}
	if l.MaxPass <= 0 {
		l.MaxPass = defaultMaxPass
	}
	if l.MaxLines <= 0 {
		l.MaxLines = defaultMaxLines
	}
	return l
}
