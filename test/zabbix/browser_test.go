//go:build zabbix && screenshots && linux

package zabbix

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is a chromium that is told what to do by a pair of pipes.
// Source: https://chromedevtools.github.io/devtools-protocol/
type browser struct {
	in      *os.File
	out     *bufio.Reader
	id      int
	width   int
	session string
}

func newBrowser(t testing.TB, width, height int) *browser {
	t.Helper()
	toRead, in, err := os.Pipe()
	require.NoError(t, err)
	out, toWrite, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "--hide-scrollbars", "about:blank")
	cmd.ExtraFiles = []*os.File{toRead, toWrite} // 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	toRead.Close()
	toWrite.Close()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
	b := &browser{in: in, out: bufio.NewReader(out)}
	target := b.call(t, "Target.createTarget", o{"url": "about:blank"})
	b.session = b.call(t, "Target.attachToTarget", o{"targetId": target["targetId"], "flatten": true})["sessionId"].(string)
	b.width = width
	b.size(t, height)
	return b
}

// size is the height of what is seen; the width stays.
func (b *browser) size(t testing.TB, height int) {
	t.Helper()
	b.call(t, "Emulation.setDeviceMetricsOverride", o{"width": b.width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

// fit makes all of an element visible, and not much more.
func (b *browser) fit(t testing.TB, selector string) {
	t.Helper()
	bottom := 0.0
	await(t, selector, func() string { // a page may be ready before its scripts have made what is in it
		b.ready(t)
		bottom, _ = b.eval(t, fmt.Sprintf(`Math.max(0, ...[...document.querySelectorAll('%s')].map(e => e.getBoundingClientRect().bottom))`, selector)).(float64)
		if bottom == 0 {
			return fmt.Sprint("it is not on the page ", b.eval(t, `location.href + ': ' + document.body.innerText.slice(0, 200)`))
		}
		return ""
	})
	b.size(t, int(bottom)+12)
	b.ready(t)
}

// call sends one command and returns its answer; events in between are dropped.
func (b *browser) call(t testing.TB, method string, params o) o {
	t.Helper()
	b.id++
	message := o{"id": b.id, "method": method, "params": params}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(t, err)
	for {
		text, err := b.out.ReadBytes(0)
		require.NoError(t, err)
		var answer struct {
			ID     int
			Result o
			Error  *struct{ Message string }
		}
		require.NoError(t, json.Unmarshal(text[:len(text)-1], &answer))
		if answer.ID != b.id {
			continue
		}
		require.Nil(t, answer.Error, "%s: %v", method, answer.Error)
		return answer.Result
	}
}

func (b *browser) eval(t testing.TB, script string) any {
	t.Helper()
	result := b.call(t, "Runtime.evaluate", o{"expression": script, "returnByValue": true})
	value, _ := result["result"].(o)
	return value["value"]
}

// open shows a page and waits until nothing in it is being loaded.
func (b *browser) open(t testing.TB, url string) {
	t.Helper()
	b.call(t, "Page.navigate", o{"url": url})
	b.ready(t)
}

func (b *browser) ready(t testing.TB) {
	t.Helper()
	for calm := 0; calm < 4; time.Sleep(500 * time.Millisecond) {
		if b.eval(t, `document.readyState === 'complete' && !document.querySelector('.is-loading') && [...document.images].every(i => i.complete)`) == true {
			calm++
		} else {
			calm = 0
		}
	}
}

// shot keeps what is on the screen as a PNG of at most 300 kB.
func (b *browser) shot(t testing.TB, file string) {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(b.call(t, "Page.captureScreenshot", o{"format": "png"})["data"].(string))
	require.NoError(t, err)
	require.Less(t, len(data), 300<<10, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, data, 0o644))
	t.Logf("%s: %d kB", file, len(data)>>10)
}

func (b *browser) login(t testing.TB, web string) {
	t.Helper()
	b.open(t, web+"/index.php")
	b.eval(t, `document.querySelector('#name').value = 'Admin'; document.querySelector('#password').value = 'zabbix'; document.querySelector('#enter').click();`)
	await(t, "the login", func() string {
		if text := fmt.Sprint(b.eval(t, `document.title`)); text == "" || b.eval(t, `!!document.querySelector('#password')`) == true {
			return text
		}
		return ""
	})
	b.ready(t)
}
