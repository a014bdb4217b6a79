package jobs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What sidekiq-cron reads beside crontabs is a small part of English. Understood are the
// forms of which all versions of fugit make the same: "every 5 minutes", "every 2 days",
// "every weekday at noon", "every monday, wed and fri at 9:15", "every day at five pm".
// Source: lib/fugit/nat.rb of fugit 1.5.2 and 1.14. They differ in 12 am, and in 9:15 pm.

const cronDayName = `(?:sun|mon|tues|wednes|thurs|fri|satur)day|sun|mon|tue|wed|thu|fri|sat`

var (
	naturalOften = regexp.MustCompile(`^every (?:(\d{1,2}) )?(second|minute|hour)s?$`)
	naturalStep  = regexp.MustCompile(`^every (?:(\d{1,2}) )?(day|month)s?$`)
	naturalOnce  = regexp.MustCompile(`^every (weekday|(?:1 )?(?:week|year))$`)
	naturalRange = regexp.MustCompile(`^every (` + cronDayName + `)(?: ?- ?| to | through )(` + cronDayName + `)$`)
	naturalList  = regexp.MustCompile(`^every ((?:` + cronDayName + `)(?:` + naturalAnd + `(?:` + cronDayName + `))*)$`)
	naturalSplit = regexp.MustCompile(naturalAnd)
	naturalTime  = regexp.MustCompile(`^(\d{1,2}):(\d\d)$`)
	naturalHour  = regexp.MustCompile(`^(\d{1,2}|[a-z]+)(?: ?(am|pm))?$`)

	naturalHours = map[string]int{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
		"ten": 10, "eleven": 11, "twelve": 12}
)

// naturalAnd parts the members of a list.
const naturalAnd = `(?: ?, ?(?:(?:and|or) )?| (?:and|or) )`

// naturalCrontab is a text in small letters, with single blanks, as a crontab; "" where it
// is none, or not understood.
func naturalCrontab(text string) string {
	if m := naturalOften.FindStringSubmatch(text); m != nil {
		step := cronStep(m[1])
		return map[string]string{"second": step + " * * * * *", "minute": step + " * * * *", "hour": "0 " + step + " * * *"}[m[2]]
	}
	days, times, timed := strings.Cut(text, " at ")
	minute, hours := 0, "0"
	if timed {
		minute, hours = naturalTimes(times)
	}
	if days = naturalDays(days); days == "" || hours == "" {
		return ""
	}
	return fmt.Sprintf("%d %s %s", minute, hours, days)
}

// naturalDays are the days of a text: the last three fields of a crontab, or "".
func naturalDays(text string) string {
	if m := naturalStep.FindStringSubmatch(text); m != nil {
		return map[string]string{"day": cronStep(m[1]) + " * *", "month": "1 " + cronStep(m[1]) + " *"}[m[2]]
	}
	if m := naturalOnce.FindStringSubmatch(text); m != nil {
		return map[string]string{"week": "* * 0", "year": "1 1 *", "weekday": "* * 1-5"}[strings.TrimPrefix(m[1], "1 ")]
	}
	if m := naturalRange.FindStringSubmatch(text); m != nil {
		return "* * " + m[1][:3] + "-" + m[2][:3]
	}
	if m := naturalList.FindStringSubmatch(text); m != nil {
		names := naturalSplit.Split(m[1], -1)
		for i := range names {
			names[i] = names[i][:3]
		}
		return "* * " + strings.Join(names, ",")
	}
	return ""
}

// cronStep is each value of a field, or one of so many.
func cronStep(n string) string {
	if n == "" {
		return "*"
	}
	return "*/" + n
}

// naturalTimes are times of the day: a minute, and the hours, "" where they are not
// understood, or have several minutes.
func naturalTimes(text string) (minute int, hours string) {
	for i, part := range naturalSplit.Split(text, -1) {
		h, m := naturalClock(part)
		if h < 0 || i > 0 && m != minute {
			return 0, ""
		}
		if minute = m; i > 0 {
			hours += ","
		}
		hours += strconv.Itoa(h)
	}
	return minute, hours
}

// naturalClock is a time of the day; its hour is negative where it is not understood.
func naturalClock(text string) (hour, minute int) {
	switch text {
	case "midnight":
		return 0, 0
	case "noon":
		return 12, 0
	}
	if m := naturalTime.FindStringSubmatch(text); m != nil {
		hour, _ = strconv.Atoi(m[1])
		minute, _ = strconv.Atoi(m[2])
		return hour, minute
	}
	m := naturalHour.FindStringSubmatch(text)
	if m == nil {
		return -1, 0
	}
	hour, named := naturalHours[m[1]]
	if n, err := strconv.Atoi(m[1]); err == nil {
		hour = n
	} else if !named {
		return -1, 0
	}
	switch {
	case m[2] != "" && (hour < 1 || hour > 12), m[2] == "am" && hour == 12:
		return -1, 0
	case m[2] == "pm" && hour < 12:
		return hour + 12, 0
	}
	return hour, 0
}
