package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// documents writes what the packages have under /usr/share/doc.
func (r *release) documents(dir string) error {
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	changelog, err := compress(changes)
	if err != nil {
		return err
	}
	debian, err := compress([]byte(r.debianChangelog()))
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"copyright": copyright(string(licence)), "changelog.gz": changelog, "changelog.Debian.gz": debian,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	if err := errors.Join(copyTemplates(dir), writePages(filepath.Join(dir, "doc"))); err != nil {
		return err
	}
	// Some formats take a file's own time.
	return filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(name, r.epoch, r.epoch)
	})
}

// copyTemplates puts the templates, and nothing else of their folder, there.
func copyTemplates(dir string) error {
	files, err := templateFiles()
	if err != nil {
		return err
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(filepath.ToSlash(name), "packaging/"))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress is gzip -9n.
func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// debianVersion is the version as nfpm gives it to a deb: what comes before a
// release sorts before it.
func (r *release) debianVersion() string {
	number, metadata, has := strings.Cut(r.version, "+")
	number = strings.Replace(number, "-", "~", 1)
	if has {
		number += "+" + metadata
	}
	return number + "-1"
}

// debianChangelog has one entry: what changed is in CHANGELOG.md.
// Source: Debian Policy, section 4.4.
func (r *release) debianChangelog() string {
	return fmt.Sprintf("%s (%s) stable; urgency=medium\n\n  * Release %s; see changelog.gz for what changed.\n\n -- %s  %s\n",
		program, r.debianVersion(), r.version, r.maintainer, r.epoch.Format(time.RFC1123Z))
}

// copyright is the licence in Debian's form.
// Source: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
func copyright(licence string) []byte {
	title, text, _ := strings.Cut(strings.TrimSpace(licence), "\n\n")
	holder, text, _ := strings.Cut(text, "\n\n")
	var out strings.Builder
	out.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: RedisJobs\n" +
		"Comment: The program contains the Zabbix SDK (golang.zabbix.com/sdk), which has the\n same licence and is Copyright (C) Zabbix SIA,\n" +
		" and the library and the runtime of Go and golang.org/x/sys, which are\n Copyright (C) The Go Authors, under the licence BSD-3-Clause.\n\n" +
		"Files: *\nCopyright: " + strings.TrimPrefix(holder, "Copyright (c) ") + "\nLicense: Expat\n " + title + "\n .\n")
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			line = "."
		}
		out.WriteString(" " + line + "\n")
	}
	return []byte(out.String())
}
