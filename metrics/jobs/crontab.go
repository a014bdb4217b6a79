package jobs

import (
	"errors"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// crontab is the schedule of a periodic job whose scheduler does not say when it runs
// next. It is crontab's own language: five fields, or six with seconds before them,
// and a time zone or an offset as +09:00 behind them; names of months and days, lists,
// ranges and steps; L or -1 for the last day of a month, -2 for the one before; mon#2 and
// mon#-1 or mon#last for the second and the last Monday of a month; @daily and the like;
// and what naturalCrontab reads.
// Source: crontab(5); lib/fugit/cron.rb of fugit 1.14, which sidekiq-cron reads it
// with. What goes beyond that is not understood: no time is better than a wrong one. So it
// is with each second Monday, mon%2: from which week they are counted depends on the
// version of et-orbi, and on what the application has set.
type crontab struct {
	second, minute, hour, day, month, weekday uint64 // a bit for each value
	// fromEnd are days of the month counted from its end, 1 for the last one. nth are
	// weekdays of which a month's first one, and so on, counts, nthLast of which its last.
	fromEnd            uint64
	nth, nthLast       [7]uint64
	anyDay, anyWeekday bool
	zone               *time.Location
}

// cronField is a field of a crontab.
type cronField struct {
	min, max int
	names    []string // of the values, from min on
}

var (
	cronSeconds  = cronField{max: 59}
	cronHours    = cronField{max: 23}
	cronDays     = cronField{min: 1, max: 31}
	cronMonths   = cronField{1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}}
	cronWeekdays = cronField{0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}

	cronAliases = map[string]string{
		"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
		"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@noon": "0 12 * * *", "@hourly": "0 * * * *",
	}
	cronOffset = regexp.MustCompile(`^[-+](0\d|1[0-4]):?(00|15|30|45)$`)
)

const (
	// maxCrontab is the longest text that is read as a crontab, in bytes.
	maxCrontab = 255
	// maxCronDays bounds the days that are looked at for the next run: February 29
	// comes at least every eight years.
	maxCronDays = 8*366 + 1
)

var (
	errCrontab = errors.New("its schedule is not a crontab that is understood")
	errNoRun   = errors.New("its schedule never comes")
)

// parseCrontab reads a crontab; zone is that of one that names none.
func parseCrontab(text string, zone *time.Location) (*crontab, error) {
	if len(text) > maxCrontab {
		return nil, errCrontab
	}
	text = strings.Join(strings.Fields(text), " ")
	low := strings.ToLower(text)
	if alias, ok := cronAliases[low]; ok {
		text = alias
	} else if natural := naturalCrontab(low); natural != "" {
		text = natural
	}
	fields := strings.Fields(text)
	if n := len(fields); n > 5 && cronOffset.MatchString(fields[n-1]) {
		zone, fields = fixedZone(fields[n-1]), fields[:n-1]
	} else if n > 5 && strings.ContainsFunc(fields[n-1], isZoneLetter) {
		loaded, err := time.LoadLocation(fields[n-1])
		if err != nil || fields[n-1] == "Local" {
			// The name of a day, or of a month, is no zone.
			loaded = nil
		}
		if loaded != nil {
			zone, fields = loaded, fields[:n-1]
		}
	}
	if len(fields) == 5 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 6 || zone == nil {
		return nil, errCrontab
	}
	c := &crontab{zone: zone}
	var days []string
	for part := range strings.SplitSeq(fields[3], ",") {
		n, err := strconv.Atoi(part)
		switch {
		case strings.EqualFold(part, "l") || strings.EqualFold(part, "last"):
			c.fromEnd |= 1 << 1
		case err == nil && n < 0 && n >= -31:
			c.fromEnd |= 1 << -n
		default:
			days = append(days, part)
		}
	}
	fields[3] = strings.Join(days, ",")
	var weekdays []string
	for part := range strings.SplitSeq(fields[5], ",") {
		name, which, ok := strings.Cut(part, "#")
		if !ok {
			weekdays = append(weekdays, part)
			continue
		}
		if strings.EqualFold(which, "l") || strings.EqualFold(which, "last") {
			which = "-1"
		}
		day, known := cronWeekdays.value(name)
		n, err := strconv.Atoi(which)
		switch {
		case !known || err != nil || which[0] == '+':
			return nil, errCrontab
		case n >= 1 && n <= 5:
			c.nth[day%7] |= 1 << n
		case n <= -1 && n >= -5:
			c.nthLast[day%7] |= 1 << -n
		default:
			return nil, errCrontab
		}
	}
	fields[5] = strings.Join(weekdays, ",")
	for i, f := range []struct {
		field cronField
		into  *uint64
	}{{cronSeconds, &c.second}, {cronSeconds, &c.minute}, {cronHours, &c.hour}, {cronDays, &c.day}, {cronMonths, &c.month}, {cronWeekdays, &c.weekday}} {
		if fields[i] == "" && (i == 3 || i == 5) {
			continue // all of them are counted
		}
		var ok bool
		if *f.into, ok = f.field.parse(fields[i]); !ok {
			return nil, errCrontab
		}
	}
	if c.weekday&(1<<7) != 0 {
		c.weekday |= 1
	}
	c.anyDay, c.anyWeekday = c.day == 1<<32-2, c.weekday&127 == 127
	return c, nil
}

// fixedZone is that of an offset as +09:00.
func fixedZone(offset string) *time.Location {
	m := cronOffset.FindStringSubmatch(offset)
	hours, _ := strconv.Atoi(m[1])
	minutes, _ := strconv.Atoi(m[2])
	seconds := 3600*hours + 60*minutes
	if offset[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone(offset, seconds)
}

// isZoneLetter is in each name of a zone, and in no field of a crontab without names.
func isZoneLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// parse reads a list of ranges as bits.
func (f cronField) parse(text string) (set uint64, ok bool) {
	if text == "?" {
		text = "*"
	}
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 || n > 99 {
				return 0, false
			}
			step = n
		}
		first, last := f.min, f.max
		if f.max == 7 {
			last = 6 // 7 is Sunday again
		}
		if span != "*" {
			from, to, isRange := strings.Cut(span, "-")
			if first, ok = f.value(from); !ok {
				return 0, false
			}
			switch {
			case isRange:
				if last, ok = f.value(to); !ok {
					return 0, false
				}
			case !stepped:
				last = first
			}
		}
		if last < first { // over midnight, or the turn of the year
			size := f.max - f.min + 1
			if f.max == 7 {
				size = 7
			}
			last += size
			for v := first; v <= last; v += step {
				set |= 1 << (f.min + (v-f.min)%size)
			}
			continue
		}
		for v := first; v <= last; v += step {
			set |= 1 << v
		}
	}
	return set, set != 0
}

// value reads a number or a name.
func (f cronField) value(text string) (int, bool) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.min && n <= f.max && text[0] != '+'
}

// next is the first time after a moment, in unix seconds. A time that a change of
// the clock leaves out is left out.
func (c *crontab) next(after float64) (float64, error) {
	from := time.Unix(int64(after), 0).In(c.zone)
	for i := range maxCronDays {
		day := time.Date(from.Year(), from.Month(), from.Day()+i, 0, 0, 0, 0, time.UTC)
		if !c.on(day) {
			continue
		}
		for hours := c.hour; hours != 0; hours &= hours - 1 {
			hour := bits.TrailingZeros64(hours)
			if i == 0 && hour < from.Hour()-1 { // the clock may have been put back
				continue
			}
			for minutes := c.minute; minutes != 0; minutes &= minutes - 1 {
				minute := bits.TrailingZeros64(minutes)
				if i == 0 && float64(time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 59, 0, c.zone).Unix()) <= after {
					continue
				}
				for seconds := c.second; seconds != 0; seconds &= seconds - 1 {
					t := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, bits.TrailingZeros64(seconds), 0, c.zone)
					if t.Hour() == hour && t.Minute() == minute && float64(t.Unix()) > after {
						return float64(t.Unix()), nil
					}
				}
			}
		}
	}
	return 0, errNoRun
}

// on reports whether a crontab runs on a day. As crontab has it, one of the two days
// is enough when both are given.
func (c *crontab) on(day time.Time) bool {
	if c.month&(1<<int(day.Month())) == 0 {
		return false
	}
	left := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() - day.Day()
	ofMonth := c.day&(1<<day.Day()) != 0 || c.fromEnd&(1<<(left+1)) != 0
	weekday := day.Weekday()
	ofWeek := c.weekday&(1<<int(weekday)) != 0 || c.nth[weekday]&(1<<((day.Day()+6)/7)) != 0 || c.nthLast[weekday]&(1<<(left/7+1)) != 0
	if c.anyDay || c.anyWeekday {
		return ofMonth && ofWeek
	}
	return ofMonth || ofWeek
}

// everywhere reports whether a crontab runs at the same moments in all time zones,
// but for those that differ by a quarter of an hour.
func (c *crontab) everywhere() bool {
	const hour, half = uint64(1)<<60 - 1, 30
	turned := (c.minute<<half | c.minute>>half) & hour
	return turned == c.minute && c.hour == 1<<24-1 && c.anyDay && c.anyWeekday &&
		c.month == 1<<13-2
}
