//go:build zabbix && linux

package zabbix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// api speaks JSON-RPC with a frontend.
type api struct {
	writes sync.Mutex // the frontend makes ids of its own, and warns when two of its processes make the same
	url    string
	token  string
	bare   bool // the token goes into the body, as before 6.4
}

// o is a JSON object.
type o = map[string]any

func (a *api) login(t testing.TB, s *stack) {
	t.Helper()
	a.url, a.bare = s.web+"/api_jsonrpc.php", !s.newer()
	a.call(t, "user.login", o{"username": "Admin", "password": "zabbix"}, &a.token)
}

// call fails the test when the API refuses.
func (a *api) call(t testing.TB, method string, params, result any) {
	t.Helper()
	require.NoError(t, a.try(method, params, result), method)
}

func (a *api) try(method string, params, result any) error {
	if !strings.HasSuffix(method, ".get") {
		a.writes.Lock()
		defer a.writes.Unlock()
	}
	body := o{"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
	if a.bare && a.token != "" {
		body["auth"] = a.token
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, a.url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json-rpc")
	if !a.bare && a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var reply struct {
		Result json.RawMessage
		Error  *struct{ Message, Data string }
	}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(answer.Body); err != nil {
		return err
	}
	if err := json.Unmarshal(raw.Bytes(), &reply); err != nil {
		return fmt.Errorf("%w: %.500s", err, raw.String())
	}
	if reply.Error != nil {
		return fmt.Errorf("%s %s", reply.Error.Message, reply.Error.Data)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(reply.Result, result)
}

// id is the id of the one object with that name.
func (a *api) id(t testing.TB, object, idField, nameField, name string) string {
	t.Helper()
	var rows []o
	a.call(t, object+".get", o{"output": []string{idField}, "filter": o{nameField: name}}, &rows)
	require.Len(t, rows, 1, "%s %q", object, name)
	return rows[0][idField].(string)
}

// importRules are the frontend's import dialog with all boxes ticked.
func (s *stack) importRules() o {
	both := o{"createMissing": true, "updateExisting": true}
	whole := o{"createMissing": true, "updateExisting": true, "deleteMissing": true}
	rules := o{
		"templates": both, "items": whole, "triggers": whole, "graphs": whole, "valueMaps": whole, "discoveryRules": whole,
		"templateDashboards": whole, "httptests": whole, "templateLinkage": o{"createMissing": true, "deleteMissing": true},
	}
	if s.newer() {
		rules["template_groups"], rules["host_groups"] = both, both
	} else {
		rules["groups"] = both
	}
	return rules
}

// load imports a file.
func (s *stack) load(t testing.TB, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var done bool
	s.api.call(t, "configuration.import", o{"format": "yaml", "rules": s.importRules(), "source": string(text)}, &done)
	require.True(t, done, file)
}

// prototypeWarning is what the frontend 6.0.14 warns of when dependencies are written of a template that host prototypes
// are linked to, those of Zabbix' own templates too: it looks for copies of triggers, which host prototypes do not have
// (CTriggerGeneral::inheritDependencies).
var prototypeWarning = regexp.MustCompile(`(Undefined array key \d+|foreach\(\) argument must be of type array\|object, null given) in \S+/api/services/CTriggerGeneral\.php on line 3142$`)

// complaints are the warnings of PHP and of the server.
func (s *stack) complaints(t testing.TB) (out []string) {
	t.Helper()
	text, err := os.ReadFile(s.webLog)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "PHP ") && !strings.Contains(line, "Development Server") && !(!s.newer() && prototypeWarning.MatchString(strings.TrimSpace(line))) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}
