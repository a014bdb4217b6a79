package templates

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What hostScripts do, in Go: a script that is changed must be reviewed here again.
func init() {
	slug := func(text string) string {
		text = regexp.MustCompile(`^\[[^\]]*\]`).ReplaceAllStringFunc(text, func(ip string) string {
			return strings.ReplaceAll(ip[1:len(ip)-1], ":", "_")
		})
		return regexp.MustCompile(`[^0-9A-Za-z_.-]+`).ReplaceAllString(text, "-")
	}
	texts := func(row any) func(name string) string {
		return func(name string) string { text, _ := row.(map[string]any)[name].(string); return text }
	}
	scripts[hostScripts["sessions"]] = func(d any) any {
		out := []any{}
		for _, row := range d.([]any) {
			r := texts(row)
			out = append(out, map[string]any{"session": r("{#SESSION}"), "uri": r("{#URI}"), "host": r("{#LABEL}"), "group": "{$HOSTS.GROUP}"})
		}
		return out
	}
	scripts[hostScripts["listening"]] = func(d any) any {
		out := []any{}
		for _, row := range d.([]any) {
			r := texts(row)
			if r("{#SESSION}") != "" || r("{#TYPE}") == "sentinel" {
				continue
			}
			at := regexp.MustCompile(`^[a-z]+:/*`).ReplaceAllString(r("{#URI}"), "")
			out = append(out, map[string]any{"uri": r("{#URI}"), "at": at, "slug": slug(at), "uid": r("{#UID}"), "host": r("{#LABEL}"), "group": "{$HOSTS.GROUP}"})
		}
		return out
	}
	scripts[hostScripts["nodes"]] = func(d any) any {
		nodes, ok := d.(map[string]any)["nodes"].([]any)
		if !ok {
			return map[string]any{}
		}
		scheme := "tcp://"
		if strings.Contains(texts(d)("target"), "rediss:") {
			scheme = "rediss://"
		}
		rows := []any{}
		for _, row := range nodes {
			if addr := texts(row)("addr"); regexp.MustCompile(`[0-9]$`).MatchString(addr) {
				rows = append(rows, map[string]any{"addr": addr, "slug": slug(addr), "uri": scheme + addr, "prefix": "{$NODES.PREFIX}", "group": "{$NODES.GROUP}"})
			}
		}
		return map[string]any{"rows": rows}
	}
	scripts[refusingScript] = func(d any) any {
		m := d.(map[string]any)
		n, told := m["refusing"]
		switch {
		case m["state"] == "fail":
			return map[string]any{"n": 0}
		case told:
			return map[string]any{"n": n}
		}
		return map[string]any{}
	}
	scripts[hostScripts["masters"]] = func(d any) any {
		masters, _ := d.(map[string]any)["masters"].([]any)
		sentinels, _ := d.(map[string]any)["sentinels"].([]any)
		var at []string
		for _, row := range sentinels {
			at = append(at, texts(row)("addr"))
		}
		slices.Sort(at)
		if masters == nil || at == nil {
			return map[string]any{}
		}
		rows := []any{}
		for _, row := range masters {
			name := texts(row)("name")
			rows = append(rows, map[string]any{"name": name, "slug": slug(name), "prefix": "{$MASTERS.PREFIX}", "group": "{$MASTERS.GROUP}",
				"uri": "sentinel://" + strings.Join(at[:min(5, len(at))], ",") + "/" + name})
		}
		return map[string]any{"rows": rows}
	}
}

// technical is what Zabbix takes for the technical name of a host.
var technical = regexp.MustCompile(`^[0-9A-Za-z_. -]{1,128}$`)

// TestHostPrototypes: what a host prototype names must exist, and the host that it makes of a recorded answer must be
// one that Zabbix takes, each with a name of its own.
func TestHostPrototypes(t *testing.T) {
	t.Parallel()
	docs := map[string]*document{}
	for _, d := range loadAll(t) {
		docs[string(d.format)+d.Name] = d
	}
	recorded := answers(t)
	made := 0
	for _, d := range docs {
		for _, r := range d.Rules {
			for _, h := range r.Hosts {
				must := func(well bool, format string, args ...any) { d.must(t, well, "host "+h.Host, format, args...) }
				linked := docs[string(d.format)+h.Templates[0].Name]
				must(len(h.Templates) == 1 && linked != nil, "there is no template %q", h.Templates[0].Name)
				for _, m := range h.Macros {
					must(slices.ContainsFunc(linked.Macros, func(o macro) bool { return o.Macro == m.Macro }), "its template has no macro %s", m.Macro)
				}
				groups := d.HostGroups
				if !d.format.modern() {
					groups = d.export.Groups
				}
				must(slices.ContainsFunc(groups, func(g group) bool { return g.Name == h.GroupLinks[0].Group.Name }), "the export must have its group")
				list := d.byKey[r.MasterItem.Key]
				for _, a := range recorded[d.root(t, list)] {
					o := d.value(list, a.text, nil)
					if o.discarded {
						continue
					}
					rows, _ := r.discovered(t, o.value)
					names := map[string]bool{}
					for _, row := range rows {
						expanded := strings.NewReplacer(pairs(row)...)
						name := strings.NewReplacer("{$NODES.PREFIX}", "", "{$MASTERS.PREFIX}", "").Replace(expanded.Replace(h.Host))
						must(technical.MatchString(name) && !names[name], "of testdata/%s.json it is called %q", a.name, name)
						names[name] = true
						for _, text := range append([]string{h.Name, h.Macros[0].Value}, tagValues(h.Tags)...) {
							must(!lldMacro.MatchString(expanded.Replace(text)), "%q has a macro that its rule does not make", text)
						}
						made++
					}
				}
			}
		}
	}
	says(t, made > 20, cmp.Or("", "no recorded answer makes hosts"))
}

// TestHostsOfIPv6: a host is called by an IPv6 address so that people can read it, and two addresses make two names.
func TestHostsOfIPv6(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, answer, want string }{
		{"listening", `[{"{#URI}":"tcp://[::1]:6379"},{"{#URI}":"tcp://[1::]:6379"},{"{#URI}":"tcp://127.0.0.1:6379"},{"{#URI}":"unix:/run/redis/redis.sock"}]`,
			"__1-6379 1__-6379 127.0.0.1-6379 run-redis-redis.sock"},
		{"nodes", `{"nodes":[{"addr":"[2001:db8::1]:6379"},{"addr":"[fe80::1%eth0]:6379"},{"addr":"node-1.example.com:6379"}]}`,
			"2001_db8__1-6379 fe80__1-eth0-6379 node-1.example.com-6379"},
		{"masters", `{"sentinels":[{"addr":"[::1]:26379"}],"masters":[{"name":"my:master"}]}`, "my-master"},
	} {
		var doc any
		require.NoError(t, json.Unmarshal([]byte(c.answer), &doc))
		rows := scripts[hostScripts[c.kind]](doc)
		if d, ok := rows.(map[string]any); ok {
			rows = d["rows"]
		}
		var got []string
		for _, row := range rows.([]any) {
			got = append(got, row.(map[string]any)["slug"].(string))
			require.Regexp(t, technical, got[len(got)-1])
		}
		require.Equal(t, c.want, strings.Join(got, " "), c.kind)
	}
}

func pairs(row map[string]string) (out []string) {
	for name, value := range row {
		out = append(out, name, value)
	}
	return out
}

func tagValues(tags []tag) (out []string) {
	for _, tg := range tags {
		out = append(out, tg.Value)
	}
	return out
}
