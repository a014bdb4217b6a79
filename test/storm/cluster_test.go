//go:build storm && linux

package storm

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"redisjobs/internal/child"
	"redisjobs/internal/ports"
)

// cluster is a running Storm.
type cluster struct {
	cache, dir string
	ports      map[string]string
	daemons    map[string]*daemon
}

// The main classes of the daemons. Storm has ZooKeeper in its own jar, under another name.
var mains = map[string][]string{
	"zookeeper":  {"org.apache.storm.shade.org.apache.zookeeper.server.ZooKeeperServerMain", "zoo.cfg"},
	"nimbus":     {"org.apache.storm.daemon.nimbus"},
	"supervisor": {"org.apache.storm.daemon.supervisor.Supervisor"},
	"ui":         {"org.apache.storm.ui.core"},
}

// opens are the packages that Storm 1 reaches into, which Java 17 must be told.
var opens = []string{
	"--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-opens=java.base/java.net=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
}

// smallJVM are the options of every process: little memory, a quick start.
var smallJVM = append([]string{
	"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.sasl.client=false", "-Dzookeeper.jmx.log4j.disable=true",
}, opens...)

// startCluster starts all daemons on free ports of this machine. The settings make Nimbus notice within seconds what it
// notices within minutes otherwise. Nimbus and workers listen at all addresses: Storm has no setting for that.
func startCluster(t *testing.T, cache, redisPort string) *cluster {
	t.Helper()
	c := &cluster{cache: cache, dir: t.TempDir(), ports: map[string]string{}, daemons: map[string]*daemon{}}
	for _, name := range []string{"zookeeper", "nimbus", "ui", "worker1", "worker2"} {
		c.ports[name] = strconv.Itoa(ports.Free(t))
	}
	for _, folder := range []string{"home/conf", "home/log4j2", "home/logs", "home/extlib", "local", "zookeeper"} {
		require.NoError(t, os.MkdirAll(filepath.Join(c.dir, folder), 0o755))
	}
	require.NoError(t, os.Symlink(filepath.Join(cache, "lib"), filepath.Join(c.dir, "home", "lib")))
	c.write(t, "zoo.cfg", "tickTime=500\ndataDir="+c.dir+"/zookeeper\nclientPort="+c.ports["zookeeper"]+
		"\nclientPortAddress=127.0.0.1\nmaxClientCnxns=200\n")
	const logging = `<configuration><appenders><Console name="C" target="SYSTEM_OUT"><PatternLayout>` +
		`<pattern>%d %c{1.} [%p] %msg%n</pattern></PatternLayout></Console></appenders>` +
		`<loggers><logger name="org.apache.storm.validation" level="error"/><root level="warn"><appender-ref ref="C"/></root></loggers></configuration>`
	c.write(t, "home/log4j2/cluster.xml", logging)
	c.write(t, "home/log4j2/worker.xml", logging)
	c.write(t, "home/conf/storm.yaml", strings.Join([]string{
		`storm.zookeeper.servers: ["127.0.0.1"]`,
		"storm.zookeeper.port: " + c.ports["zookeeper"],
		"storm.zookeeper.session.timeout: 6000",
		"storm.local.dir: " + c.dir + "/local",
		"storm.local.hostname: 127.0.0.1",
		"storm.disable.symlinks: true",
		`nimbus.seeds: ["127.0.0.1"]`,
		// The UI asks Nimbus no more than twice before it says so.
		"storm.nimbus.retry.times: 1",
		"storm.nimbus.retry.interval.millis: 100",
		"storm.nimbus.retry.intervalceiling.millis: 200",
		"nimbus.thrift.port: " + c.ports["nimbus"],
		"nimbus.monitor.freq.secs: 1",
		"nimbus.task.timeout.secs: 6",
		"nimbus.supervisor.timeout.secs: 6",
		"nimbus.task.launch.secs: 60",
		"nimbus.topology.action.notifier.plugin.class: redisjobs.Actions",
		"redisjobs.redis.port: " + redisPort,
		"ui.host: 127.0.0.1",
		"ui.port: " + c.ports["ui"],
		"supervisor.slots.ports: [" + c.ports["worker1"] + ", " + c.ports["worker2"] + "]",
		"supervisor.heartbeat.frequency.secs: 1",
		"supervisor.monitor.frequency.secs: 1",
		"supervisor.worker.timeout.secs: 20",
		"supervisor.worker.shutdown.sleep.secs: 1",
		"task.heartbeat.frequency.secs: 1",
		"task.refresh.poll.secs: 1",
		"storm.blobstore.replication.factor: 1",
		"topology.min.replication.count: 1",
		"topology.max.replication.wait.time.sec: 0",
		"worker.heap.memory.mb: 64",
		`topology.worker.logwriter.childopts: "-Xmx16m -XX:+UseSerialGC"`,
		`worker.childopts: "-Xmx%HEAP-MEM%m ` + strings.Join(smallJVM, " ") + `"`,
	}, "\n")+"\n")
	t.Cleanup(func() {
		for name, d := range c.daemons {
			d.kill()
			if t.Failed() {
				t.Logf("end of what %s has printed:\n%s", name, d.tail())
			}
		}
	})
	c.start(t, "zookeeper")
	await(t, "ZooKeeper listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+c.ports["zookeeper"])
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	for _, name := range []string{"nimbus", "supervisor", "ui"} {
		c.start(t, name)
	}
	return c
}

func (c *cluster) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644))
}

// ui is the address of the UI.
func (c *cluster) ui() string { return "http://127.0.0.1:" + c.ports["ui"] }

// java is a process of Storm, with the topology's classes for Nimbus' plugin.
func (c *cluster) java(name string, options, arguments []string) *exec.Cmd {
	home := filepath.Join(c.dir, "home")
	args := append([]string{
		"-Xmx128m", "-Ddaemon.name=" + name, "-Dstorm.options=", "-Dstorm.conf.file=", "-Dstorm.home=" + home,
		"-Dstorm.log.dir=" + home + "/logs", "-Dlogfile.name=" + name + ".log",
		"-Dlog4j.configurationFile=" + home + "/log4j2/cluster.xml",
		"-cp", filepath.Join(c.cache, "lib") + "/*:" + filepath.Join(c.cache, "topology.jar") + ":" + home + "/conf",
	}, smallJVM...)
	cmd := exec.Command("java", append(append(args, options...), arguments...)...)
	cmd.Dir = c.dir
	return cmd
}

// start starts a daemon, once more after it was killed.
func (c *cluster) start(t *testing.T, name string) {
	t.Helper()
	d := &daemon{log: filepath.Join(c.dir, name+".out")}
	c.daemons[name] = d
	output, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	defer output.Close()
	cmd := c.java(name, nil, mains[name])
	cmd.Stdout, cmd.Stderr = output, output
	// A group of its own: a supervisor's workers are in it, and end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.ended, err = child.Start(cmd, syscall.SIGKILL)
	require.NoError(t, err, "is there Java? make test-storm installs it")
	d.pid = cmd.Process.Pid
}

// daemon is a process and all that it has started.
type daemon struct {
	pid   int
	log   string
	ended <-chan struct{}
}

func (d *daemon) kill() {
	_ = syscall.Kill(-d.pid, syscall.SIGKILL)
	<-d.ended
}

func (d *daemon) tail() string {
	text, _ := os.ReadFile(d.log)
	return string(text[max(0, len(text)-4000):])
}

// submit runs a main class of the topology's jar as `storm jar` does.
func (c *cluster) submit(t *testing.T, topology, redisPort string) {
	t.Helper()
	out, err := c.java("submit", []string{"-Dstorm.jar=" + filepath.Join(c.cache, "topology.jar")},
		[]string{"redisjobs.Submit", topology, redisPort}).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// order has the UI do something with a topology, as its buttons do.
func (c *cluster) order(t *testing.T, id, action string) {
	t.Helper()
	answer, err := http.Post(c.ui()+"/api/v1/topology/"+id+"/"+action, "application/json", nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", &body)
	require.Contains(t, body.String(), `"success"`, fmt.Sprint(action, " ", id))
}

// patience bounds every wait for something that must come.
const patience = 2 * time.Minute

// await polls until the condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	began := time.Now()
	for !condition() {
		require.Less(t, time.Since(began), patience, "waited in vain: %s", what)
		time.Sleep(200 * time.Millisecond) // Storm says nothing when its state changes
	}
	t.Logf("%s: after %.1f s", what, time.Since(began).Seconds())
}
