package conf

import (
	"fmt"
	"sync"

	sdkconf "golang.zabbix.com/sdk/conf"
)

// loading lets one call at a time read: the SDK remembers the file in a
// variable of the whole process.
var loading sync.Mutex

// Load reads the options of a configuration file, see [LoadFile]; the defaults
// when file is "".
func Load(file string) (*Options, error) {
	if file == "" {
		return Decode(nil, Global{})
	}
	return LoadFile(file)
}

// LoadFile reads the options from an agent's configuration file, or from the
// plugin's own, following Include lines as the agent does. Options that are not
// the plugin's are ignored, except for the agent's Timeout. It is for the
// command line. Environment variables in values, which agents from 7.2 on
// replace, are left as they are.
func LoadFile(path string) (*Options, error) {
	loading.Lock()
	defer loading.Unlock()
	// Relative Includes start from the file that the SDK's Load saw last. Load
	// also refuses every option its struct lacks, which is of no interest here.
	if err := sdkconf.Load(path, &struct{}{}); err != nil && sdkconf.GetCurrentConfigPath() != path {
		return nil, err
	}
	var file struct {
		Timeout int `conf:"optional,range=0:3600"`
		Plugins any `conf:"optional"`
	}
	if err := sdkconf.LoadUserParams(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	root := &sdkconf.Node{}
	if plugins, ok := file.Plugins.(*sdkconf.Node); ok {
		for _, n := range plugins.Nodes {
			if node, ok := n.(*sdkconf.Node); ok && node.Name == PluginName {
				root = node
			}
		}
	}
	return decode(root, Global{Timeout: file.Timeout})
}
