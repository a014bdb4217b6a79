package ask

import (
	"errors"
	"time"

	"redisjobs/metrics/jsondoc"
	"redisjobs/pool"
	"redisjobs/redisclient"
)

// SchemaVersion is the first member of every document. It changes when a
// member changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// MaxErrorLine bounds a document's error, in characters: Zabbix keeps no more
// of a text item with history.
const MaxErrorLine = 255

// MaxRows bounds each list in a document, so that neither a server with a
// hundred thousand databases nor one that was asked a million misspelled
// commands makes an answer that Zabbix cannot hold. What is left out is
// counted in the member truncated.
const MaxRows = 1000

// Head writes the members that every document of a target starts with:
// up, whether the target could be asked; reason and error, why not, both ""
// when nothing is wrong. For a target that is known to fail they say in
// addition when it was last tried, in unix seconds, and how often it has failed
// in a row.
func Head(w *jsondoc.Writer, target string, err error) {
	up, text := int64(1), ""
	var failing *pool.FailingError
	if errors.As(err, &failing) {
		err = failing.Err // without the times, which would make each poll's text another one
	}
	if err != nil {
		up, text = 0, ErrorLine(target, err)
	}
	w.Key("schema_version").Int(SchemaVersion)
	w.Key("up").Int(up)
	w.Key("reason").String(string(redisclient.ReasonOf(err)))
	w.Key("error").String(text)
	w.Key("target").String(target)
	if failing != nil {
		w.Key("last_tried").Int(time.Now().Add(-failing.Ago).Unix())
		w.Key("failures_in_a_row").Int(int64(failing.InARow))
	}
}

// Down is the valid answer of a document key whose target could not
// be asked: up is 0, and reason and error say why. A failing item would turn
// every item that depends on it unsupported.
func Down(w *jsondoc.Writer, target string, err error) error {
	w.Restart()
	w.BeginObject()
	Head(w, target, err)
	w.EndObject()
	return nil
}

// ErrorLine says in one line of at most MaxErrorLine characters what could
// not be done to which target.
func ErrorLine(target string, err error) string {
	return ClipWords(Line("Cannot query "+target+": "+redisclient.Words(err), 2*MaxErrorLine), MaxErrorLine)
}

// Truncations counts the rows that were left out of a document's lists.
type Truncations []Truncation

type Truncation struct {
	List string
	Rows int
}

// Limit returns how many of n rows a list may have, and notes the others.
func (t *Truncations) Limit(list string, n int) int { return t.LimitTo(list, n, MaxRows) }

// LimitTo is limit for lists of at most most rows.
func (t *Truncations) LimitTo(list string, n, most int) int {
	if n <= most {
		return n
	}
	t.Add(list, n-most)
	return most
}

// Add notes rows that were left out of a list. What several lists of one name
// leave out is summed, as is what one list leaves out for several reasons: a
// document has one member for each name.
func (t *Truncations) Add(list string, rows int) {
	for i := range *t {
		if (*t)[i].List == list {
			(*t)[i].Rows += rows
			return
		}
	}
	*t = append(*t, Truncation{list, rows})
}

// Write writes the member truncated, {} when nothing was left out.
func (t Truncations) Write(w *jsondoc.Writer) {
	w.Key("truncated").BeginObject()
	for _, e := range t {
		w.Key(e.List).Int(int64(e.Rows))
	}
	w.EndObject()
}

// Unreadable counts the rows of a document's lists that had not the form that
// they should have, and were left out.
type Unreadable struct{ rows Truncations }

// Add notes rows of a list.
func (u *Unreadable) Add(list string, rows int) {
	u.rows.LimitTo(list, rows, 0)
}

// Write writes the member unreadable, or nothing when all rows could be read.
func (u *Unreadable) Write(w *jsondoc.Writer) {
	if len(u.rows) == 0 {
		return
	}
	w.Key("unreadable").BeginObject()
	for _, e := range u.rows {
		w.Key(e.List).Int(int64(e.Rows))
	}
	w.EndObject()
}
