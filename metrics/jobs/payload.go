package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"redisjobs/redisclient/resp"
)

// maxPayload is the longest job that is looked into, in bytes. Redis cannot send
// a part of a list's member, so a longer one travels, but is not parsed.
const maxPayload = 1 << 20

// payload gives the text of a job, at most maxPayload of it.
func payload(v resp.Value) ([]byte, error) {
	if v.IsNull() {
		return nil, resp.ErrNull
	}
	if v.Kind != resp.BulkString {
		_, err := v.Text()
		return nil, errors.Join(err, fmt.Errorf("expected a job, got a reply of kind %s", v.Kind))
	}
	if len(v.Str) > maxPayload {
		return nil, fmt.Errorf("the job has %d bytes, more than the %d that are looked into", len(v.Str), maxPayload)
	}
	return v.Str, nil
}

// parseJSON reads a job's JSON object into dst. Its errors do not show what the
// job holds.
func parseJSON(text []byte, dst any) error {
	if len(text) > maxPayload {
		return fmt.Errorf("it has %d bytes, more than the %d that are looked into", len(text), maxPayload)
	}
	if err := json.Unmarshal(text, dst); err != nil {
		return errors.New("it is not the JSON object that it should be")
	}
	return nil
}

// moment2000 and moment2200 bound what is taken for a time.
const (
	moment2000 = 946684800
	moment2200 = 7258118400
)

var errMoment = errors.New("it is no time")

// parseEpoch reads a JSON number or text as unix time: seconds, or milliseconds,
// microseconds or nanoseconds when it is too large for them.
func parseEpoch(text string) (float64, error) {
	t, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(t) {
		return 0, errMoment
	}
	for range 3 {
		if t < 1e11 {
			break
		}
		t /= 1000
	}
	if t < moment2000 || t > moment2200 {
		return 0, errMoment
	}
	return t, nil
}

// parseDate reads a date in one of the layouts as unix time; one without a zone
// is UTC.
func parseDate(text string, layouts ...string) (float64, error) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil && !isNamedZone(t) {
			if s := float64(t.UnixNano()) / 1e9; s >= moment2000 && s <= moment2200 {
				return s, nil
			}
		}
	}
	return 0, errMoment
}

// isNamedZone reports whether a date has a time zone by a name whose offset is not
// known, as CST, which several zones are called.
func isNamedZone(t time.Time) bool {
	name, offset := t.Zone()
	return offset == 0 && name != "" && name != "UTC" && name != "GMT"
}

var errDelay = errors.New("its delay is none")
