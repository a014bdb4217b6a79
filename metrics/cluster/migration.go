package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"redisjobs/metrics/ask"
	"redisjobs/metrics/info"
	"redisjobs/metrics/item"
	"redisjobs/metrics/jsondoc"
	"redisjobs/redisclient"
	"redisjobs/redisclient/resp"
)

// migration is an atomic migration of slots, as one of its two nodes lists it.
// CLUSTER NODES has nothing of it.
type migration struct {
	id, slots        string
	operation, state string
	message          string
	source, target   string
	ended            time.Time // zero while it is under way
}

// migrationAge is how long one that failed is shown.
const migrationAge = 30 * time.Minute

// migrationForm is how servers of a kind are asked for migrations.
type migrationForm struct {
	flavour      string
	major, minor int
	cmd          redisclient.Command
}

// Sources: https://valkey.io/commands/cluster-getslotmigrations/,
// https://redis.io/docs/latest/commands/cluster-migration/
var migrationForms = []migrationForm{
	{"valkey", 9, 0, redisclient.Command{"CLUSTER", "GETSLOTMIGRATIONS"}},
	{"redis", 8, 4, redisclient.Command{"CLUSTER", "MIGRATION", "STATUS", "ALL"}},
}

// formOf is the form that a server knows, nil when it knows none.
func formOf(id *info.Identity) *migrationForm {
	for i := range migrationForms {
		if f := &migrationForms[i]; id.AtLeast(f.flavour, f.major, f.minor) {
			return f
		}
	}
	return nil
}

// migrationsMemory is where a node's Memory has its form.
const migrationsMemory = "redis.cluster.get migrations"

// migrationsOf is the question to one node; empty when it is not known yet
// whether it can be asked.
type migrationsOf struct {
	form *migrationForm
	part *ask.Part
}

// knownMigrations is the question in the form that the node was found to know.
// Replicas have no migrations of their own.
func knownMigrations(t *item.Target, m *member) migrationsOf {
	v, _ := t.Memory.Load(migrationsMemory)
	if form, _ := v.(*migrationForm); form != nil && m.is("master") {
		return newMigrations(form)
	}
	return migrationsOf{}
}

func newMigrations(form *migrationForm) migrationsOf {
	return migrationsOf{form, &ask.Part{Name: "cluster_migrations", Cmd: form.cmd}}
}

func (q migrationsOf) parts() []*ask.Part {
	if q.part == nil {
		return nil
	}
	return []*ask.Part{q.part}
}

// read reads the answer, and asks first if INFO shows only now that the node can
// be asked.
func (q migrationsOf) read(ctx context.Context, t *item.Target, m *member) ([]migration, error) {
	form := formOf(&m.figures.id)
	t.Memory.Store(migrationsMemory, form)
	if form == nil || !m.is("master") {
		return nil, nil
	}
	if q.form != form {
		q = newMigrations(form)
		if err := ask.Do(ctx, t, q.part); err != nil {
			return nil, err
		}
	}
	if q.part.Err != nil {
		return nil, q.part.Err
	}
	out, _, err := ask.RowsOf(q.part.Value, "migration", parseMigration)
	return out, err
}

// parseMigration reads one row of either server.
func parseMigration(v resp.Value) (migration, error) {
	var m migration
	pairs, err := v.Pairs()
	if err != nil {
		return m, err
	}
	fields := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, err := pairs[i].Text()
		if err != nil {
			return m, err
		}
		fields[name], _ = pairs[i+1].Text() // what is no text is none of these
	}
	m = migration{
		id: cmp.Or(fields["name"], fields["id"]), slots: cmp.Or(fields["slot_ranges"], fields["slots"]),
		state: fields["state"], message: cmp.Or(fields["message"], fields["last_error"]),
		source: cmp.Or(fields["source_node"], fields["source"]), target: cmp.Or(fields["target_node"], fields["dest"]),
	}
	switch strings.ToLower(fields["operation"]) {
	case "import":
		m.operation = "import"
	case "export", "migrate":
		m.operation = "export"
	}
	if m.id == "" || m.state == "" || m.operation == "" {
		return m, errMigration
	}
	if m.over() {
		if sec := info.ParseCount([]byte(fields["last_update_time"])); sec.Known {
			m.ended = time.Unix(sec.Value, 0)
		}
		if ms := info.ParseCount([]byte(fields["end_time"])); ms.Known {
			m.ended = time.UnixMilli(ms.Value)
		}
	}
	return m, nil
}

var errMigration = fmt.Errorf("it has no name, state or operation")

// over reports whether a migration has come to an end, in either server's words.
func (m *migration) over() bool { return m.succeeded() || m.failed() }

func (m *migration) succeeded() bool { return m.state == "success" || m.state == "completed" }

func (m *migration) failed() bool {
	return m.state == "failed" || m.state == "cancelled" || m.state == "canceled"
}

// shown reports whether it belongs among the moving slots: while it is under way,
// and for a while when it has failed.
func (m *migration) shown(now time.Time) bool {
	return !m.succeeded() && (!m.failed() || now.Sub(m.ended) < migrationAge)
}

func (m *migration) write(w *jsondoc.Writer, node string) {
	other := m.source
	if m.operation == "export" {
		other = m.target
	}
	w.BeginObject()
	w.Key("migration").String(ask.Clip(m.id, ask.MaxName))
	w.Key("slots").String(ask.Clip(m.slots, ask.MaxErrorLine))
	w.Key("operation").String(m.operation)
	w.Key("state").String(ask.Clip(m.state, ask.MaxName))
	w.Key("active").Int(int64(ask.Number(!m.over())))
	if m.message != "" {
		w.Key("message").String(ask.Clip(m.message, ask.MaxErrorLine))
	}
	w.Key("node").String(node)
	w.Key("other").String(ask.Clip(other, ask.MaxName))
	w.EndObject()
}
