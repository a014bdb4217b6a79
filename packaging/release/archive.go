package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one in an archive.
type file struct {
	name string
	mode fs.FileMode
	data []byte
}

// archive packs the program with its configuration, templates and documents: a
// zip for Windows, a tar.gz for all others.
func (r *release) archive(s system, binary, name string) error {
	files, err := contents(s, binary)
	if err != nil {
		return err
	}
	top := filepath.Base(name)
	ending, write := ".tar.gz", writeTar
	if s.os == "windows" {
		ending, write = ".zip", writeZip
	}
	out, err := os.Create(name + ending)
	if err != nil {
		return err
	}
	return errors.Join(write(out, top, files, r.epoch), out.Close())
}

func contents(s system, binary string) ([]file, error) {
	templates, err := templateFiles()
	if err != nil {
		return nil, err
	}
	names := map[string]string{
		filepath.Base(binary): binary, "redisjobs.conf": "packaging/redisjobs.conf",
	}
	documents, err := pages(archived)
	if err != nil {
		return nil, err
	}
	for source, name := range archived {
		names[name] = source
	}
	for _, name := range templates {
		names[strings.TrimPrefix(filepath.ToSlash(name), "packaging/")] = name
	}
	var out []file
	for name, data := range documents {
		out = append(out, file{name: name, mode: 0o644, data: data})
	}
	for name, source := range names {
		data, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		f := file{name: name, mode: 0o644, data: data}
		switch {
		case source == binary:
			f.mode = 0o755
		case name == "redisjobs.conf" && s.os == "windows":
			f.data = windowsPaths(data)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// templateFiles are the templates, in folders named after versions of Zabbix.
func templateFiles() ([]string, error) {
	files, err := filepath.Glob("packaging/templates/[0-9]*/*.yaml")
	if err == nil && len(files) == 0 {
		err = errors.New("there are no templates in packaging/templates")
	}
	return files, err
}

// windowsPaths puts the program's place on Windows into the configuration.
func windowsPaths(conf []byte) []byte {
	return []byte(strings.Replace(string(conf), "=/usr/sbin/zabbix-agent2-plugin/"+program,
		`=C:\Program Files\Zabbix Agent 2\`+program+".exe", 1))
}

func writeTar(out io.Writer, top string, files []file, at time.Time) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(top, f.name), Size: int64(len(f.data)), Mode: int64(f.mode),
			ModTime: at, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), compressed.Close())
}

func writeZip(out io.Writer, top string, files []file, at time.Time) error {
	w := zip.NewWriter(out)
	for _, f := range files {
		header := &zip.FileHeader{Name: path.Join(top, f.name), Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode)
		entry, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.data); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeSums writes SHA256SUMS for sha256sum --check.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
