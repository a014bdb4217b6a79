package info

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"redisjobs/redisclient/resp"
)

// scanned takes a text apart that is known to be INFO's.
func scanned(t testing.TB, text string) *Text {
	t.Helper()
	x, err := Scan([]byte(text), nil, nil)
	require.NoError(t, err)
	return &x
}

// shape writes sections and lines in the order in which x has them: "Name: a=1, b=2".
func shape(x *Text) (out []string) {
	for _, s := range x.Sections {
		var fields []string
		for _, l := range x.Lines[s.First:s.End] {
			fields = append(fields, fmt.Sprintf("%s=%s", l.Key(x.Text), l.Value(x.Text)))
		}
		out = append(out, string(x.Name(s))+": "+strings.Join(fields, ", "))
	}
	return out
}

func TestScanFindsSectionsAndLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"CR LF and LF", "# A\r\na:1\r\n\r\n# B\nb:2\n\nc:3\n", []string{"A: a=1", "B: b=2, c=3"}},
		{"the last line needs no end", "# A\na:1", []string{"A: a=1"}},
		{"nor does a header", "# A\na:1\n# B", []string{"A: a=1", "B: "}},
		{"a section with nothing in it", "# A\n# B\nb:1\n", []string{"A: ", "B: b=1"}},
		{"blanks around a value are not its", "# A\na:  1 2 \r\nb:  \nc:\n", []string{"A: a=1 2, b=, c="}},
		{"colons of a value are its", "# A\na:1:2:\n", []string{"A: a=1:2:"}},
		{"a field without a name", "# A\n:1\n", []string{"A: =1"}},
		{"no blank, one and two behind #", "#A\na:1\n# B\nb:1\n#  C\n", []string{"A: a=1", "B: b=1", " C: "}},
		{"a # with no name is no section", "# A\na:1\n#\nb:2\n# \nc:3\n", []string{"A: a=1, b=2, c=3"}},
		{"a # with a colon is a comment", "# A\na:1\n# of: it\nb:2\n", []string{"A: a=1, b=2"}},
		{"and so are several words in Keyspace alone", "# Keyspace\n# Start async statistics\ndb0 a\n# Key Sizes\n# Keysizes\nb:1\n# Of Others\nc:1",
			[]string{"Keyspace: ", "Keysizes: b=1", "Of Others: c=1"}},
		{"also before the first section", "# of: it\n# A\na:1\n", []string{"A: a=1"}},
		{"parentheses are no part of a name", "# Replication(MASTER)\na:1\n# B (x)\n# (C)\n", []string{"Replication: a=1", "B: ", "(C): "}},
		{"a line without a colon", "# A\nnothing\na:1\nx\n", []string{"A: a=1"}},
		{"also before the first section", "hello\n# A\na:1\n", []string{"A: a=1"}},
		{"a single CR is a line of nothing", "\r\n\n# A\n\r\na:1\n", []string{"A: a=1"}},
		{"one name twice", "# A\na:1\n# A\na:2\n", []string{"A: a=1", "A: a=2"}},
		{"nothing", "", nil},
		{"only line ends", "\r\n\n", nil},
	} {
		x := scanned(t, tt.text)
		require.Equal(t, tt.want, shape(x), tt.name)
		require.True(t, x.Plain, tt.name+": JSON would escape none of it")
		for _, l := range x.Lines {
			whole := string(l.Whole(x.Text))
			require.True(t, strings.HasPrefix(whole, string(l.Key(x.Text))+":"), tt.name)
			require.True(t, strings.HasSuffix(whole, string(l.Value(x.Text))), tt.name)
			require.NotContains(t, whole, "\n", tt.name)
		}
	}
}

func TestScanRefusesWhatIsNoInfo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a:1\n# A\n":      `cannot read the reply to INFO: "a:1" stands before the first section`,
		"hello":           "the reply to INFO has no sections",
		"# only: it\n":    "the reply to INFO has no sections",
		"#\n":             "the reply to INFO has no sections",
		"\r\n  \t\nx\r\n": "the reply to INFO has no sections",
	} {
		_, err := Scan([]byte(text), nil, nil)
		require.EqualError(t, err, want, "%q", text)
	}
}

func TestScanSaysWhetherJSONWouldEscapeALine(t *testing.T) {
	t.Parallel()
	for text, plain := range map[string]bool{
		"# A\na:1\r\nb:2\r\n": true,
		"# A\na:\"1\"\nb:2\n": false,
		"# A\na:1\nb:\\\n":    false,
		"# A\"\na:1\n":        false,
		"# A\na:1\n\"\n":      false,
		"# A\na:\x01\n":       false,
	} {
		require.Equal(t, plain, scanned(t, text).Plain, "%q", text)
	}
}

func TestScanAppendsToItsMemory(t *testing.T) {
	t.Parallel()
	first := scanned(t, "# A\na:1\nb:2\n# B\nc:3\n")
	again, err := Scan([]byte("# C\nd:4\n"), first.Sections[:0], first.Lines[:0])
	require.NoError(t, err)
	require.Equal(t, []string{"C: d=4"}, shape(&again))
	require.Same(t, &first.Lines[0], &again.Lines[0])
	require.Same(t, &first.Sections[0], &again.Sections[0])
}

func TestWhatReplyHoldsTheTextOfInfo(t *testing.T) {
	t.Parallel()
	for _, kind := range []resp.Kind{resp.BulkString, resp.VerbatimString, resp.SimpleString} {
		text, err := Reply(resp.Value{Kind: kind, Str: []byte("# A\n")})
		require.NoError(t, err)
		require.Equal(t, "# A\n", string(text))
	}
	_, err := Reply(resp.Value{Kind: resp.Error, Str: []byte("NOPERM no INFO")})
	require.EqualError(t, err, "NOPERM no INFO")
	_, err = Reply(resp.Value{Kind: resp.Null})
	require.ErrorIs(t, err, resp.ErrNull)
	_, err = Reply(resp.Value{Kind: resp.Integer, Int: 5})
	require.ErrorContains(t, err, "expected the text of INFO, got a reply of kind "+resp.Integer.String())
}

func TestFieldIsTheLastOfItsSection(t *testing.T) {
	t.Parallel()
	x := scanned(t, "# Server\nos:a\nos:b\nempty:\n# Cluster Info\nos:c\n# server\nlate:1\n# CPU\nsys:2\n# Servers\nos:d\n# Serves.\nos:e\n")
	for _, tt := range []struct {
		section, key, want string
		ok                 bool
	}{
		{"server", "os", "b", true}, {"server", "late", "1", true}, {"server", "empty", "", true}, {"cluster_info", "os", "c", true},
		{"cpu", "sys", "2", true}, {"servers", "os", "d", true}, {"serves_", "os", "e", true}, {"cpu", "os", "", false}, {"serve", "os", "", false},
		{"server", "o", "", false}, {"none", "os", "", false},
	} {
		value, ok := x.Field(tt.section, tt.key)
		require.Equal(t, tt.want, string(value), "%s %s", tt.section, tt.key)
		require.Equal(t, tt.ok, ok, "%s %s", tt.section, tt.key)
	}
	require.True(t, x.Has("cluster_info"))
	require.True(t, x.Has("server"))
	require.False(t, x.Has("cluster"))
	require.False(t, x.Has("serve"))
	require.False(t, scanned(t, "").Has("server"))
}

func TestSectionLinesAreThoseOfAllItsHeaders(t *testing.T) {
	t.Parallel()
	x := scanned(t, "# A\nb:1\na:2\n# B\nc:3\n# a\na:4\n# A\nz:5\n")
	var got []string
	for _, l := range x.SectionLines("a") {
		got = append(got, string(l.Whole(x.Text)))
	}
	require.Equal(t, []string{"b:1", "a:2", "a:4", "z:5"}, got)
	require.Equal(t, []string{"A: b=1, a=2", "B: c=3", "a: a=4", "A: z=5"}, shape(x), "what they are put together of stays")
	require.Nil(t, x.SectionLines("c"))
}

// groups is what the sorted sections of a text are, each with its lines.
func groups(x *Text) (out []string) {
	x.SortSections()
	for i := 0; i < len(x.Sections); {
		name, lines, next := x.Group(i)
		var fields []string
		for _, l := range lines {
			fields = append(fields, string(l.Whole(x.Text)))
		}
		out = append(out, string(name)+" "+strings.Join(fields, " "))
		i = next
	}
	return out
}

func TestGroupsAreSortedAndKeepTheServersOrderOfEqualFields(t *testing.T) {
	t.Parallel()
	const text = "# Stats\nzz:1\na:1\nlonger_than_eight_b:1\nlonger_than_eight_a:1\nlonger_t:1\na:2\nab:1\n# CPU\nx:1\n# Stats\na:3\nb:1\n# Cpu\nx:2\na:1\n# CPU2\nx:3\n# Empty\n"
	require.Equal(t, []string{
		"CPU x:1", "CPU2 x:3", "Cpu a:1 x:2", "Empty ",
		"Stats a:1 a:2 a:3 ab:1 b:1 longer_t:1 longer_than_eight_a:1 longer_than_eight_b:1 zz:1",
	}, groups(scanned(t, text)))

	folded := scanned(t, text)
	folded.Fold = true
	require.Equal(t, []string{
		"CPU a:1 x:1 x:2", "CPU2 x:3", "Empty ",
		"Stats a:1 a:2 a:3 ab:1 b:1 longer_t:1 longer_than_eight_a:1 longer_than_eight_b:1 zz:1",
	}, groups(folded), "the first of the server's names is that of both")

	dots := scanned(t, "# B-c\na:1\n# B\nz:1\n# b_c\nb:1\n# B.C\nc:1\n# A\n# b/d\n")
	dots.Fold = true
	require.Equal(t, []string{"A ", "B z:1", "B-c a:1 b:1 c:1", "b/d "}, groups(dots))
	require.Empty(t, groups(scanned(t, "")))
}

func TestGroupLeavesTheOtherSectionsAlone(t *testing.T) {
	t.Parallel()
	x := scanned(t, "# A\na:1\n# B\nb:1\n# A\na:2\n")
	x.SortSections()
	_, lines, _ := x.Group(0)
	require.Len(t, lines, 2)
	require.Equal(t, []string{"A: a=1", "A: a=2", "B: b=1"}, shape(x))
}

func TestSectionNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"CPU": "cpu", "Cpu": "cpu", "Server": "server", "Cluster Info": "cluster_info", "a-b.c/d": "a_b_c_d", "AZaz09": "azaz09",
		"@[`{": "@[`{", "": "", "Commandstats": "commandstats", "é": "é",
	} {
		require.Equal(t, want, SectionName([]byte(name)), name)
		require.Equal(t, want, string(SnakeName([]byte(name))), name)
	}
}

func TestPairs(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"keys=2,expires=0":  "keys=2 expires=0",
		"a=1":               "a=1",
		"a=1,":              "a=1",
		",a=1,,b=2,":        "a=1 b=2",
		"a=1=2,b=3=":        "a=1 b=3",
		"a==2":              "a=",
		"a=,=b":             "a= =b",
		"p50=1.5,p99=4.015": "p50=1.5 p99=4.015",
		"a,b=1":             "a! b=1",
		"b=1,a":             "b=1 a!",
	} {
		pairs := Pairs([]byte(value), []Pair{{Key: []byte("first"), Value: []byte("0")}})
		got := []string{}
		for _, p := range pairs {
			if p.Value == nil {
				got = append(got, string(p.Key)+"!")
			} else {
				got = append(got, string(p.Key)+"="+string(p.Value))
			}
		}
		require.Equal(t, "first=0 "+want, strings.Join(got, " "), value)
	}
	for _, value := range []string{"", ",", "a", "a,b", "10.0.0.5,6379,online"} {
		require.Nil(t, Pairs([]byte(value), nil), value)
	}
}

func TestSortPrefixSortsAsTheFieldsDo(t *testing.T) {
	t.Parallel()
	sorted := []string{"", "a", "aa", "aab", "ab", "abcdefg", "abcdefgh", "abcdefgi", "b", "ba", "zzzzzzzz", "\xff"}
	for i, a := range sorted {
		for j, b := range sorted {
			pa, pb := SortPrefix([]byte(a)), SortPrefix([]byte(b))
			require.Equal(t, i < j, pa < pb, "%q %q", a, b)
			require.Equal(t, i == j, pa == pb, "%q %q", a, b)
		}
	}
	require.Equal(t, SortPrefix([]byte("abcdefgh")), SortPrefix([]byte("abcdefghij")), "only eight bytes count")
}

// inScratch is one reply, read and given back.
func inScratch(t testing.TB, s *Scratch, text string) []string {
	t.Helper()
	x, err := s.Scan([]byte(text))
	require.NoError(t, err)
	defer s.Release(&x)
	return groups(&x)
}

func TestScratchNeverMixesTwoReplies(t *testing.T) {
	t.Parallel()
	s := new(Scratch)
	for range 2 {
		for _, text := range []string{
			"# B\nz:1\ny:2\nx:3\n# A\nc:1\nb:2\n", // unsorted, and then the order is known
			"# B\nz:4\ny:5\nx:6\n# A\nc:7\nb:8\n", // the same lines with other values
			"# B\nx:4\ny:5\nz:6\n# A\nb:7\nc:8\n", // as many lines, in another order
			"# B\nz:1\ny:2\n# A\nc:1\nb:2\na:3\n", // as many lines, other bounds
			"# B\nz:1\ny:2\nx:3\nc:1\nb:2\n",      // as many lines, one section
			"# B\nz:1\n# A\nc:1\n# C\nq:1\n",      // more sections
			"# B\n", "",
		} {
			require.Equal(t, groups(scanned(t, text)), inScratch(t, s, text), "%q", text)
		}
	}
}

func TestScratchArrangesTheNextReplyAsTheLastOne(t *testing.T) {
	t.Parallel()
	s := new(Scratch)
	const text = "# A\nc:1\nb:2\na:3\n# B\nb:4\na:5\n"
	inScratch(t, s, text)
	x, err := s.Scan([]byte(strings.ReplaceAll(text, "c:1", "c:9")))
	require.NoError(t, err)
	require.Equal(t, []string{"A: a=3, b=2, c=9", "B: a=5, b=4"}, shape(&x), "sorted before anyone sorted it")
	s.Release(&x)

	x, err = s.Scan([]byte("# A\nc:1\nb:2\n# B\na:3\nb:4\na:5\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"A: c=1, b=2", "B: a=3, b=4, a=5"}, shape(&x), "other bounds: no order is known")
	s.Release(&x)
	x, err = s.Scan([]byte("# A\nc:1\nb:2\n# B\na:3\nb:4\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"A: c=1, b=2", "B: a=3, b=4"}, shape(&x), "fewer lines")
}

func TestScratchAfterAReplyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := new(Scratch)
	inScratch(t, s, "# A\nb:1\na:2\n")
	_, err := s.Scan([]byte("hello"))
	require.Error(t, err)
	require.Equal(t, []string{"A a:4 b:3"}, inScratch(t, s, "# A\nb:3\na:4\n"))
}

func TestScratchTakesEachHeaderForASectionWhenToldTo(t *testing.T) {
	t.Parallel()
	const text = "# A\na:1\n# of: it\nb:2\n# R(M)\nc:3\n"
	s := NewScratch()
	x, err := s.ScanHeaders([]byte(text))
	require.NoError(t, err)
	require.Equal(t, []string{"A: a=1", "of: it: b=2", "R(M): c=3"}, shape(&x))
	s.Release(&x)
}

// TestScratchKeepsNoHugeReply: the memory of a reply with thousands of lines is not
// kept for the next one.
func TestScratchKeepsNoHugeReply(t *testing.T) {
	t.Parallel()
	for lines, kept := range map[int]bool{100: true, 2 * maxScratchLines: false} {
		s := new(Scratch)
		x, err := s.Scan(append([]byte("# A\n"), bytes.Repeat([]byte("a:1\n"), lines)...))
		require.NoError(t, err)
		require.Len(t, x.Lines, lines)
		s.Release(&x)
		require.Equal(t, kept, len(s.order) == lines, lines)
	}
}
