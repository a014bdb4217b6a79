package jobs

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

var shallowTexts = []string{
	`{}`, ` { "a" : 1 , "b" : [ ] } `, `{"a":{"b":[1,-0.5e+10,true,false,null,"x"]},"a":2}`, `{"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"}`, "{\"a\":\"\xff\"}",
	`{"jid":"x","class":"A","args":[],"enqueued_at":1795228164.920326}`, `{"created_at":1795228164920,"jid":"\u0041"}`, `{"JID":"x","Enqueued_At":1}`,
	`{"jid":null,"enqueued_at":"1795228164"}`, `{"enqueued_at":null,"created_at":1795228164}`, `{"jid":5}`, `{"enqueued_at":"x"}`, `{"enqueued_at":true}`,
	``, `null`, `[]`, `1`, `"a"`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}}`, `{"a":1}x`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`,
	`{"a":+1}`, `{"a":1e}`, `{"a":1e+}`, `{"a":-}`, `{"a":--1}`, `{"a":tru}`, `{"a":truefalse}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`,
	`{"a":"`, `{"a":"\`, "{\"a\":\"\n\"}", "{\"a\u007f\":1}", `{"ä":1}`, `{"\u0061":1}`, `{"a":[1,]}`, `{"a":[}`, `{"a":{]}`, `{"a":1 "b":2}`, `{"a":1,"b"}`, "{\"a\":1}\x00",
}

// FuzzMembers: what is read is what encoding/json reads.
func FuzzMembers(f *testing.F) {
	for _, text := range shallowTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		ok := membersOf(text, func(name, value []byte) { got[string(name)] = string(value) })
		var want map[string]json.RawMessage
		err := json.Unmarshal(text, &want)
		if ok {
			require.NoError(t, err)
			require.Len(t, got, len(want))
			for name, value := range want {
				require.Equal(t, string(value), got[name])
			}
		}
		job, err := parseSidekiqJob(text)
		slow, slowErr := parseSidekiqJobByReflection(text)
		require.Equal(t, slow, job)
		require.Equal(t, slowErr, err)
	})
}

// TestUsualJobsAreReadWithoutReflection, and what is unusual is left to encoding/json.
func TestUsualJobsAreReadWithoutReflection(t *testing.T) {
	t.Parallel()
	all := func(text string) bool { return membersOf([]byte(text), func([]byte, []byte) {}) }
	for _, text := range shallowTexts[:11] {
		require.True(t, all(text), text)
	}
	deep := ""
	for range 2 * maxShallow {
		deep += `{"a":`
	}
	for _, text := range append(shallowTexts[13:], deep) {
		require.False(t, all(text), text)
	}
}
