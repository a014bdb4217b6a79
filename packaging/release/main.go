// Command release makes the packages of RedisJobs: deb, rpm and apk by nfpm,
// archives for all systems, for each program a bill of materials, and checksums
// of it all. The same input gives the same bytes, wherever and whenever it runs:
// all times are SOURCE_DATE_EPOCH.
//
// GoReleaser 2.13 was tried in its place, and gives the same bytes for a commit too.
// It would take that of archive.go and half of this file, 230 lines, for 60 lines
// of its configuration; documents, bills of materials and the paths of Windows
// would remain as its hooks, and it is a program of 126 MB that takes three minutes
// of processor time to build on a fresh machine. cyclonedx-gomod 1.9 in place of
// bill.go writes the time of day, names the SDK "./.sdk@(devel)" after the folder
// that packaging/sdk.sh unpacks it into, and finds no license for it and for Go's
// own library: what would fix its bills is half as long as bill.go.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const program = "zabbix-agent2-plugin-redisjobs"

// system is one that a program is built for.
type system struct {
	os, arch string
	packages []string // of nfpm
}

var systems = []system{
	{"linux", "amd64", []string{"deb", "rpm", "apk"}},
	{"linux", "arm64", []string{"deb", "rpm", "apk"}},
	{"darwin", "amd64", nil},
	{"darwin", "arm64", nil},
	{"windows", "amd64", nil},
}

// release is what is made of one version.
type release struct {
	version    string
	maintainer string
	epoch      time.Time
	nfpm       string
	stage, out string
	packager   string // the program of nfpm, made by prepare
	onlyDebs   bool
}

func main() {
	var r release
	var epoch string
	flag.StringVar(&r.version, "version", "", "version to stamp")
	flag.StringVar(&r.maintainer, "maintainer", "", "maintainer of the packages, as Name <address>")
	flag.StringVar(&epoch, "epoch", "", "unix seconds of all times in the packages")
	flag.StringVar(&r.nfpm, "nfpm", "", "nfpm's module path with its version")
	flag.StringVar(&r.stage, "stage", "build/package", "folder for what goes into the packages")
	flag.StringVar(&r.out, "out", "dist", "folder for the packages")
	flag.BoolVar(&r.onlyDebs, "only-debs", false, "make nothing but the deb of this machine's architecture")
	flag.Parse()
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	r.epoch = time.Unix(seconds, 0).UTC()
	if err == nil {
		err = r.make()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// make makes everything anew.
func (r *release) make() error {
	for _, dir := range []string{r.stage, r.out} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := r.prepare(); err != nil {
		return err
	}
	for _, s := range systems {
		if r.onlyDebs && (s.os != "linux" || s.arch != runtime.GOARCH) {
			continue
		}
		fmt.Printf("%s %s/%s\n", r.version, s.os, s.arch)
		if err := r.system(s); err != nil {
			return fmt.Errorf("%s/%s: %w", s.os, s.arch, err)
		}
	}
	return writeSums(r.out)
}

// system makes the packages for one system.
func (r *release) system(s system) error {
	dir := filepath.Join(r.stage, s.os+"-"+s.arch)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	binary := filepath.Join(dir, program)
	if s.os == "windows" {
		binary += ".exe"
	}
	if err := r.build(s, binary); err != nil {
		return err
	}
	if err := r.documents(dir); err != nil {
		return err
	}
	if r.onlyDebs {
		return r.pack(s, dir, "deb")
	}
	name := filepath.Join(r.out, fmt.Sprintf("%s-%s-%s-%s", program, r.version, s.os, s.arch))
	if err := writeBill(binary, name+".cdx.json", r.version, s, r.epoch); err != nil {
		return err
	}
	if err := r.archive(s, binary, name); err != nil {
		return err
	}
	for _, format := range s.packages {
		if err := r.pack(s, dir, format); err != nil {
			return err
		}
	}
	return nil
}

// build compiles the program; the flags are those of make build.
func (r *release) build(s system, binary string) error {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+r.version, "-o", binary, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+s.os, "GOARCH="+s.arch, "GOFLAGS=-buildvcs=false")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c.Run()
}

// prepare compiles nfpm, as its authors published it.
func (r *release) prepare() error {
	bin, err := filepath.Abs(filepath.Join(r.stage, "bin"))
	if err != nil {
		return err
	}
	r.packager = filepath.Join(bin, "nfpm")
	fmt.Println("building nfpm, which makes the packages")
	c := exec.Command("go", "install", r.nfpm)
	c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOBIN="+bin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("nfpm: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

const (
	summary     = "Zabbix agent 2 plugin for Redis and the jobs in it"
	description = summary + `
RedisJobs is a loadable plugin for Zabbix agent 2 that watches Redis and
Valkey servers, clusters and sentinels, and the jobs that keep their state in
them. All items of all servers are served from one bounded pool of long-lived
connections. Templates for the Zabbix frontend are included.`
)

// pack has nfpm make one package.
func (r *release) pack(s system, dir, format string) error {
	text := description
	if format == "apk" {
		text = summary // it has one line for it
	}
	c := exec.Command(r.packager, "package", "--config", "packaging/nfpm.yaml", "--packager", format, "--target", r.out+"/")
	c.Env = append(os.Environ(), "PACKAGE_ARCH="+s.arch, "PACKAGE_VERSION="+r.version, "PACKAGE_MAINTAINER="+r.maintainer,
		"PACKAGE_STAGE="+dir, "PACKAGE_DESCRIPTION="+text, "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.epoch.Unix(), 10))
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("nfpm: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
