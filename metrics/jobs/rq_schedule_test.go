package jobs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchedulesOfRQScheduler: what Python 3.11 pickles of a job's meta, in several protocols.
func TestSchedulesOfRQScheduler(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"(dp0\nVinterval\np1\nI10\ns.":                                                                             "every 10s",
		"\x80\x02}q\x00X\x08\x00\x00\x00intervalq\x01K\ns.":                                                        "every 10s",
		"\x80\x05\x95\x11\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x08interval\x94K\ns.":                               "every 10s",
		"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x08interval\x94M\x10\x0e\x8c\x06repeat\x94K\x05u.": "every 1h",
		// cron_string, use_local_timezone false, repeat None
		"\x80\x05\x95A\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x0bcron_string\x94\x8c\x0b*/5 * * * *\x94\x8c\x12use_local_timezone\x94\x89\x8c\x06repeat\x94Nu.": "*/5 * * * *",
		// The application notes something, too.
		"\x80\x05\x959\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04note\x94\x8c\x01x\x94\x8c\x01n\x94G?\xf8\x00\x00\x00\x00\x00\x00\x8c\x03big\x94\x8a\x06\x00\x10\xa5\xd4\xe8\x00\x8c\x08interval\x94M,\x01u.": "every 5m",
		// An interval of its own, in a dict; and one that is referred to.
		"\x80\x05\x95\x1e\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x08interval\x94M,\x01\x8c\x01c\x94}\x94h\x01K\x03su.": "",
		"\x80\x05\x95\x18\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94\x8c\x08interval\x94h\x02K\x05u.":             "",
		"\x80\x05]\x94(\x8c\x08interval\x94K\x05e.":                                                                   "",
		"\x80\x05}\x94(\x8c\x08interval\x94u.":                                                                        "",
		"\x80\x05}\x94\x8c\x08interval\x94\x8c\x01x\x94s.":                                                            "",
		"\x80\x05}\x94.": "", "\x80\x05}\x94\x8c\xffinterval": "", "": "", `{"interval":10}`: "",
	} {
		require.Equal(t, want, rqSchedule([]byte(text)), "%q", text)
	}
}
