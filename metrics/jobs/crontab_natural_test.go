package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNaturalCrontabs: what both fugit 1.5.2 and 1.14 make of each text; "" is what they
// refuse, or differ in, or what is not understood here.
func TestNaturalCrontabs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"every second": "* * * * * *", "every 7 seconds": "*/7 * * * * *", "every 45 minutes": "0,45 * * * *", "every 2 hours": "0 */2 * * *",
		"every day": "0 0 * * *", "every 1 day": "0 0 * * *", "every 2 days": "0 0 1-31/2 * *", "every 15 days at 5": "0 5 1,16,31 * *",
		"every 33 days": "0 0 1 * *", "every month": "0 0 1 * *", "every 3 months at noon": "0 12 1 1,4,7,10 *",
		"every week": "0 0 * * 0", "every 1 week at 23": "0 23 * * 0", "every year at 8:30": "30 8 1 1 *", "every weekday at noon": "0 12 * * 1-5",
		"every day at five": "0 5 * * *", "every day at five am": "0 5 * * *", "every day at five pm": "0 17 * * *", "every day at 5pm": "0 17 * * *",
		"every day at 5 PM": "0 17 * * *", "every day at 17": "0 17 * * *", "every day at twelve": "0 12 * * *", "every day at 12 pm": "0 12 * * *",
		"every day at midnight": "0 0 * * *", "every day at 09:15": "15 9 * * *", "every day at 0:05": "5 0 * * *", "Every Monday at 9:15": "15 9 * * 1",
		"every tue": "0 0 * * 2", "every mon,wed and fri at ten": "0 10 * * 1,3,5", "every monday, friday, and sunday": "0 0 * * 0,1,5",
		"every monday or friday at 8": "0 8 * * 1,5", "every monday to friday at 8": "0 8 * * 1-5", "every mon - fri": "0 0 * * 1-5",
		"every friday through monday at 8": "0 8 * * 5,6,0,1", "every sat-sun": "0 0 * * 6,0",
		"every day at 8:00 and 20:00": "0 8,20 * * *", "every thursday at 8, 12 and 17": "0 8,12,17 * * 4", "every day at 7:30, 8:30": "30 7,8 * * *",
		"every day at noon and 5pm": "0 12,17 * * *",

		"every day at 12 am": "", "every day at 9:15pm": "", "every day at 0 am": "", "every day at 13 pm": "", "every day at 24": "", "every day at 7:60": "",
		"every day at 7:30 and 8:31": "", "every day at thirteen": "", "every day at": "", "every 0 days": "", "every 2 weeks": "", "every 1 weekday": "",
		"every mondays": "", "every 2 hours at five": "", "every other day": "", "every day at five Europe/Berlin": "", "every monday tuesday": "", "day at five": "",
	} {
		got, err := parseCrontab(text, time.UTC)
		if want == "" {
			require.ErrorIs(t, err, errCrontab, text)
			continue
		}
		require.NoError(t, err, text)
		c, err := parseCrontab(want, time.UTC)
		require.NoError(t, err)
		require.Equal(t, c, got, text)
	}
}
