package ask

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFieldsOfAClient(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][][2]string{
		"id=3 addr=10.0.0.9:4711 fd=8 name=":               {{"id", "3"}, {"addr", "10.0.0.9:4711"}, {"fd", "8"}, {"name", ""}},
		"id=3 addr=/srv/my app/r.sock:0 laddr=/a b:0 fd=8": {{"id", "3"}, {"addr", "/srv/my app/r.sock:0"}, {"laddr", "/a b:0"}, {"fd", "8"}},
		"addr=/srv/my app=1/x y=2.sock:0 laddr=/srv/cmd=get db=0 cmd=x:0 name=w cmd=y": {
			{"addr", "/srv/my app=1/x y=2.sock:0"}, {"laddr", "/srv/cmd=get db=0 cmd=x:0"}, {"name", "w"}, {"cmd", "y"},
		},
		"name=worker 1 age=50 new-field=7 flags= ": {{"name", "worker 1"}, {"age", "50"}, {"new-field", "7"}, {"flags", ""}},
		"stray word id=1":                          {{"", "stray word"}, {"id", "1"}},
		"id=1 X=2 =3 a_b=4":                        {{"id", "1 X=2 =3 a_b=4"}},
		"cmd=client|list user=a  lib-name=b":       {{"cmd", "client|list"}, {"user", "a "}, {"lib-name", "b"}},
		"":                                         nil, "=": {{"", "="}},
	} {
		var got [][2]string
		for rest := []byte(line); len(rest) > 0; {
			var name, value []byte
			name, value, rest = ClientField(rest)
			got = append(got, [2]string{string(name), string(value)})
		}
		require.Equal(t, want, got, line)
	}
}

func FuzzClientField(f *testing.F) {
	f.Add("id=3 addr=/a b=c:0 laddr=d fd=8 name=w")
	f.Fuzz(func(t *testing.T, line string) {
		rest, taken := []byte(line), 0
		for len(rest) > 0 {
			name, value, more := ClientField(rest)
			require.Less(t, len(more), len(rest))
			taken += len(name) + len(value)
			rest = more
		}
		require.LessOrEqual(t, taken, len(line))
	})
}
