package templates

import "strings"

// hint adds to a root what leads to its cause and is the same in all templates:
//
//   - Where nothing is reached, the macro that says which server is asked, and its value: a host that does not set it
//     has the default, which is another server or none.
//   - Where there are no values, the item whose error is the cause, which no event can show, and the command that
//     shows it.
func (g *generator) hint(s sourceTrigger, t *trigger) {
	conn := g.conn()
	bare := strings.Trim(conn.Name, "{$}") // with braces it would be its value
	if strings.HasPrefix(s.If, "nodata(") {
		item := g.asked(itemOf.FindStringSubmatch(s.If)[1])
		name := `"` + g.Prefix + ": " + item.Name + `"`
		t.OpData = "See the error of the item " + name + " in Latest data"
		t.Description += " See the error of the item " + name + " in Monitoring, Latest data (the icon in the column Info). On the machine of the " +
			"agent, as root, zabbix-agent2-plugin-redisjobs -t '" + item.Key + "' shows it too; if that works, see the agent's log, and restart " +
			"the agent if its configuration was changed."
		return
	}
	if conn.Name == "" {
		return
	}
	t.OpData = strings.TrimPrefix(t.OpData+", "+bare+": "+conn.Name, ", ")
	t.Description += " The macro " + bare + " of this host is " + conn.Name + "; if nobody has set it, it is its default, " + conn.Value + "."
}

// conn is the macro that says which server is asked.
func (g *generator) conn() (of sourceMacro) {
	for _, m := range g.Macros {
		if m.Ask.Required {
			of = m
		}
	}
	return of
}

// asked is the item that asks the plugin for what another is made of.
func (g *generator) asked(key string) sourceItem {
	var first sourceItem
	byKey := map[string]sourceItem{}
	for _, i := range g.Items {
		byKey[i.Key] = i
		if i.Asks && first.Key == "" {
			first = i
		}
	}
	for i := byKey[key]; i.Key != "" && i.Of != ""; i = byKey[i.Of] {
		if next := byKey[i.Of]; next.Asks {
			return next
		}
	}
	return first
}
