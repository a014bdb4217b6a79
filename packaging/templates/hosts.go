package templates

// hostScripts make rows for host prototypes of the plugin's answers. A host's technical name may have letters, digits,
// blanks, dots, dashes and underscores: slug is what else there is in a name or an address, made so. The colons of an
// IPv6 address are underscores: [2001:db8::1]:6379 is 2001_db8__1-6379. A host group is a member of each row, since a
// group prototype knows no macros but those of rows.
//
//   - sessions: those that a session names.
//   - listening: those that no session names, and that are no sentinels.
//   - nodes: those with an address; no rows at all of a cluster that is down.
//   - masters: each with its address by up to five sentinels; no rows at all when none answers.
var hostScripts = map[string]string{
	"sessions": `return JSON.stringify(JSON.parse(value).map(function (r) { return {session: r["{#SESSION}"], uri: r["{#URI}"], ` +
		`host: r["{#LABEL}"], group: "{$HOSTS.GROUP}"}; }));`,
	"listening": `return JSON.stringify(JSON.parse(value).filter(function (r) { return !r["{#SESSION}"] && r["{#TYPE}"] !== "sentinel"; })` +
		`.map(function (r) { var at = r["{#URI}"].replace(/^[a-z]+:\/*/, ""); return {uri: r["{#URI}"], at: at, slug: at` + slug + `, ` +
		`uid: r["{#UID}"], host: r["{#LABEL}"], group: "{$HOSTS.GROUP}"}; }));`,
	"nodes": `var d = JSON.parse(value), scheme = /rediss:/.test(d.target) ? "rediss://" : "tcp://"; ` +
		`return JSON.stringify(d.nodes ? {rows: d.nodes.filter(function (r) { return /[0-9]$/.test(r.addr || ""); }).map(function (r) { ` +
		`return {addr: r.addr, slug: r.addr` + slug + `, uri: scheme + r.addr, prefix: "{$NODES.PREFIX}", group: "{$NODES.GROUP}"}; })} : {});`,
	"masters": `var d = JSON.parse(value), at = (d.sentinels || []).map(function (r) { return r.addr; }).sort().slice(0, 5).join(","); ` +
		`return JSON.stringify(d.masters && at ? {rows: d.masters.map(function (r) { return {name: r.name, slug: r.name` + slug + `, ` +
		`uri: "sentinel://" + at + "/" + r.name, prefix: "{$MASTERS.PREFIX}", group: "{$MASTERS.GROUP}"}; })} : {});`,
}

// slug is a call that makes a text one that a host may be called.
const slug = `.replace(/^\[([^\]]*)\]/, function (m, ip) { return ip.replace(/:/g, "_"); }).replace(/[^0-9A-Za-z_.-]+/g, "-")`

// hosts are the host prototypes of a rule.
func (g *generator) hosts(list []sourceHost) (out []hostPrototype) {
	for _, s := range list {
		h := hostPrototype{
			UUID: g.uuid("host prototype", s.Host), Host: s.Host, Name: s.Name,
			GroupLinks: []groupLink{{nameRef{s.Group}}}, Templates: []nameRef{{s.Template}}, Tags: s.Tags.tags(),
		}
		for _, name := range s.Groups {
			if g.format.modern() { // a server 6.0 lets no two prototypes name one group
				h.Groups = append(h.Groups, nameRef{name})
			}
		}
		for _, kv := range s.Macros {
			h.Macros = append(h.Macros, macro{Macro: kv[0], Value: kv[1]})
		}
		if s.Host == "" || s.Template == "" || s.Group == "" {
			g.fail("a host needs a technical name, a template and a group: %+v", s)
		}
		g.hostGroup(s.Group)
		out = append(out, h)
	}
	return out
}

// hostGroup is one that the import makes if it is not there yet.
func (g *generator) hostGroup(name string) {
	// Its uuid is the same in all templates, since it is the same group.
	made := group{UUID: g.ids.of("host group: " + name), Name: name}
	var more export
	if g.format.modern() {
		more.HostGroups = []group{made}
	} else {
		more.Groups = []group{made}
	}
	g.export.add(more)
}

// sortHosts puts host prototypes into the order of an export.
func sortHosts(hosts []hostPrototype) {
	sortBy(hosts, func(h hostPrototype) string { return h.Host })
	for _, h := range hosts {
		sortBy(h.Groups, func(n nameRef) string { return n.Name })
		sortBy(h.Templates, func(n nameRef) string { return n.Name })
		sortBy(h.Macros, func(m macro) string { return m.Macro[2 : len(m.Macro)-1] })
		sortTags(h.Tags)
	}
}
