package templates

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// These are the parts of Zabbix's export formats that the templates use, in the order of the newest. Decoding refuses any
// other; what a format does not have yet is listed in newerFields.
type (
	export struct {
		Version    string     `yaml:"version,omitempty"`
		Date       string     `yaml:"date,omitempty"`
		Groups     []group    `yaml:"groups,omitempty"`          // 6.0
		NewGroups  []group    `yaml:"template_groups,omitempty"` // since 6.2
		HostGroups []group    `yaml:"host_groups,omitempty"`     // since 6.2; before, they are among Groups
		Templates  []template `yaml:"templates,omitempty"`
		Triggers   []*trigger `yaml:"triggers,omitempty"`
		Graphs     []graph    `yaml:"graphs,omitempty"`
	}
	group struct {
		UUID string `yaml:"uuid,omitempty"`
		Name string `yaml:"name,omitempty"`
	}
	template struct {
		UUID        string      `yaml:"uuid,omitempty"`
		Template    string      `yaml:"template,omitempty"`
		Name        string      `yaml:"name,omitempty"`
		Description string      `yaml:"description,omitempty"`
		WizardReady string      `yaml:"wizard_ready,omitempty"`
		Readme      string      `yaml:"readme,omitempty"`
		Vendor      vendor      `yaml:"vendor,omitempty"`
		Groups      []group     `yaml:"groups,omitempty"`
		Items       []*item     `yaml:"items,omitempty"`
		Rules       []*rule     `yaml:"discovery_rules,omitempty"`
		Tags        []tag       `yaml:"tags,omitempty"`
		Macros      []macro     `yaml:"macros,omitempty"`
		Dashboards  []dashboard `yaml:"dashboards,omitempty"`
		ValueMaps   []valueMap  `yaml:"valuemaps,omitempty"`
	}
	vendor struct {
		Name    string `yaml:"name,omitempty"`
		Version string `yaml:"version,omitempty"`
	}
	item struct {
		UUID          string     `yaml:"uuid,omitempty"`
		Name          string     `yaml:"name,omitempty"`
		Type          string     `yaml:"type,omitempty"`
		Key           string     `yaml:"key,omitempty"`
		Delay         string     `yaml:"delay,omitempty"`
		History       string     `yaml:"history,omitempty"`
		ValueType     string     `yaml:"value_type,omitempty"`
		Trends        string     `yaml:"trends,omitempty"`
		Units         string     `yaml:"units,omitempty"`
		Params        string     `yaml:"params,omitempty"`
		Description   string     `yaml:"description,omitempty"`
		ValueMap      nameRef    `yaml:"valuemap,omitempty"`
		Preprocessing []step     `yaml:"preprocessing,omitempty"`
		MasterItem    keyRef     `yaml:"master_item,omitempty"`
		Timeout       string     `yaml:"timeout,omitempty"`
		Tags          []tag      `yaml:"tags,omitempty"`
		Triggers      []*trigger `yaml:"triggers,omitempty"`
		Prototypes    []*trigger `yaml:"trigger_prototypes,omitempty"`

		rule *rule // of a prototype
	}
	rule struct {
		UUID          string          `yaml:"uuid,omitempty"`
		Name          string          `yaml:"name,omitempty"`
		Type          string          `yaml:"type,omitempty"`
		Key           string          `yaml:"key,omitempty"`
		Delay         string          `yaml:"delay,omitempty"`
		Filter        filter          `yaml:"filter,omitempty"`
		Lifetime      string          `yaml:"lifetime,omitempty"`
		Disable       string          `yaml:"enabled_lifetime_type,omitempty"` // when rows are lost
		Description   string          `yaml:"description,omitempty"`
		Items         []*item         `yaml:"item_prototypes,omitempty"`
		Triggers      []*trigger      `yaml:"trigger_prototypes,omitempty"`
		Graphs        []graph         `yaml:"graph_prototypes,omitempty"`
		Hosts         []hostPrototype `yaml:"host_prototypes,omitempty"`
		MasterItem    keyRef          `yaml:"master_item,omitempty"`
		Timeout       string          `yaml:"timeout,omitempty"`
		MacroPaths    []macroPath     `yaml:"lld_macro_paths,omitempty"`
		Preprocessing []step          `yaml:"preprocessing,omitempty"`
	}
	hostPrototype struct {
		UUID       string      `yaml:"uuid,omitempty"`
		Host       string      `yaml:"host,omitempty"`
		Name       string      `yaml:"name,omitempty"`
		GroupLinks []groupLink `yaml:"group_links,omitempty"`
		Groups     []nameRef   `yaml:"group_prototypes,omitempty"`
		Templates  []nameRef   `yaml:"templates,omitempty"`
		Macros     []macro     `yaml:"macros,omitempty"`
		Tags       []tag       `yaml:"tags,omitempty"`
	}
	groupLink struct {
		Group nameRef `yaml:"group,omitempty"`
	}
	filter struct {
		EvalType   string      `yaml:"evaltype,omitempty"`
		Conditions []condition `yaml:"conditions,omitempty"`
	}
	condition struct {
		Macro     string `yaml:"macro,omitempty"`
		Value     string `yaml:"value,omitempty"`
		Operator  string `yaml:"operator,omitempty"`
		FormulaID string `yaml:"formulaid,omitempty"`
	}
	macroPath struct {
		Macro string `yaml:"lld_macro,omitempty"`
		Path  string `yaml:"path,omitempty"`
	}
	step struct {
		Type          string   `yaml:"type,omitempty"`
		Parameters    []string `yaml:"parameters,omitempty"`
		Handler       string   `yaml:"error_handler,omitempty"`
		HandlerParams string   `yaml:"error_handler_params,omitempty"`
	}
	trigger struct {
		UUID         string       `yaml:"uuid,omitempty"`
		Expression   string       `yaml:"expression,omitempty"`
		RecoveryMode string       `yaml:"recovery_mode,omitempty"`
		Recovery     string       `yaml:"recovery_expression,omitempty"`
		Name         string       `yaml:"name,omitempty"`
		EventName    string       `yaml:"event_name,omitempty"`
		OpData       string       `yaml:"opdata,omitempty"`
		Priority     string       `yaml:"priority,omitempty"`
		Description  string       `yaml:"description,omitempty"`
		ManualClose  string       `yaml:"manual_close,omitempty"`
		Dependencies []dependency `yaml:"dependencies,omitempty"`
		Tags         []tag        `yaml:"tags,omitempty"`

		rule *rule // of a prototype
	}
	dependency struct {
		Name       string `yaml:"name,omitempty"`
		Expression string `yaml:"expression,omitempty"`
		Recovery   string `yaml:"recovery_expression,omitempty"`
	}
	graph struct {
		UUID       string      `yaml:"uuid,omitempty"`
		Name       string      `yaml:"name,omitempty"`
		WorkPeriod string      `yaml:"show_work_period,omitempty"`
		Triggers   string      `yaml:"show_triggers,omitempty"`
		Type       string      `yaml:"type,omitempty"`
		Legend     string      `yaml:"show_legend,omitempty"`
		MinType    string      `yaml:"ymin_type_1,omitempty"`
		Items      []graphItem `yaml:"graph_items,omitempty"`
	}
	graphItem struct {
		SortOrder string  `yaml:"sortorder,omitempty"`
		DrawType  string  `yaml:"drawtype,omitempty"`
		Color     string  `yaml:"color,omitempty"`
		Side      string  `yaml:"yaxisside,omitempty"`
		Item      hostRef `yaml:"item,omitempty"`
	}
	dashboard struct {
		UUID  string `yaml:"uuid,omitempty"`
		Name  string `yaml:"name,omitempty"`
		Pages []page `yaml:"pages,omitempty"`
	}
	page struct {
		Name    string   `yaml:"name,omitempty"`
		Widgets []widget `yaml:"widgets,omitempty"`
	}
	widget struct {
		Type   string  `yaml:"type,omitempty"`
		Name   string  `yaml:"name,omitempty"`
		X      cells   `yaml:"x,omitempty"`
		Y      cells   `yaml:"y,omitempty"`
		Width  cells   `yaml:"width,omitempty"`
		Height cells   `yaml:"height,omitempty"`
		Hide   string  `yaml:"hide_header,omitempty"`
		Fields []field `yaml:"fields,omitempty"`
	}
	field struct {
		Type  string    `yaml:"type,omitempty"`
		Name  string    `yaml:"name,omitempty"`
		Value yaml.Node `yaml:"value,omitempty"`
	}
	hostRef struct {
		Host string `yaml:"host,omitempty"`
		Key  string `yaml:"key,omitempty"`
		Name string `yaml:"name,omitempty"`
	}
	keyRef struct {
		Key string `yaml:"key,omitempty"`
	}
	nameRef struct {
		Name string `yaml:"name,omitempty"`
	}
	tag struct {
		Tag   string `yaml:"tag,omitempty"`
		Value string `yaml:"value,omitempty"`
	}
	macro struct {
		Macro       string  `yaml:"macro,omitempty"`
		Type        string  `yaml:"type,omitempty"`
		Value       string  `yaml:"value,omitempty"`
		Description string  `yaml:"description,omitempty"`
		Config      *config `yaml:"config,omitempty"`
	}
	// config is how the Host Wizard asks for a macro.
	config struct {
		Type        string         `yaml:"type,omitempty"`
		Priority    string         `yaml:"priority,omitempty"`
		Section     string         `yaml:"section_name,omitempty"`
		Label       string         `yaml:"label,omitempty"`
		Description string         `yaml:"description,omitempty"`
		Required    string         `yaml:"required,omitempty"`
		Regex       string         `yaml:"regex,omitempty"`
		Options     []configOption `yaml:"options,omitempty"`
	}
	configOption struct {
		Value     string `yaml:"value,omitempty"`
		Text      string `yaml:"text,omitempty"`
		Checked   string `yaml:"checked,omitempty"`
		Unchecked string `yaml:"unchecked,omitempty"`
	}
	valueMap struct {
		UUID     string    `yaml:"uuid,omitempty"`
		Name     string    `yaml:"name,omitempty"`
		Mappings []mapping `yaml:"mappings,omitempty"`
	}
	mapping struct {
		Type     string `yaml:"type,omitempty"`
		Value    string `yaml:"value,omitempty"`
		NewValue string `yaml:"newvalue,omitempty"`
	}
)

// cells is a number on a dashboard's grid; the format has it as a text.
type cells int

func (c cells) MarshalYAML() (any, error) { return strconv.Itoa(int(c)), nil }

func (c *cells) UnmarshalYAML(node *yaml.Node) error {
	n, err := strconv.Atoi(node.Value)
	*c = cells(n)
	return err
}
