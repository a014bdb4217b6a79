package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// link is a link of a document, in Markdown: its text and where it leads.
var link = regexp.MustCompile(`\[([^\]\n]*)\]\(([^)\s]+)\)`)

// pages are the documents that packages and archives have, by their path below the
// folder of README.md. others are the files of the repository that are packed beside
// them, by the names that they have there. A link to what is not packed is its text
// alone: what is packed has no dead link.
func pages(others map[string]string) (map[string][]byte, error) {
	out := map[string][]byte{}
	names := []string{"README.md", "SECURITY.md", "bench/RESULTS.md"}
	for _, pattern := range []string{"docs/*.md", "docs/jobs/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			names = append(names, filepath.ToSlash(name))
		}
	}
	packed := map[string]string{}
	for name, there := range others {
		packed[name] = there
	}
	for _, name := range names {
		packed[name] = name
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var failed error
		text := link.ReplaceAllStringFunc(string(data), func(written string) string {
			m := link.FindStringSubmatch(written)
			to, anchor, _ := strings.Cut(m[2], "#")
			target := path.Join(path.Dir(name), to)
			if _, err := os.Stat(target); to == "" || err != nil {
				return written // of another site, or no link
			}
			if path.Ext(target) == ".png" && out[target] == nil {
				packed[target] = target
				out[target], failed = os.ReadFile(target)
			}
			there, ok := packed[target]
			switch {
			case !ok:
				return m[1]
			case there == target:
				return written
			}
			relative, err := filepath.Rel(path.Dir(name), there)
			if err != nil {
				return m[1]
			}
			if anchor != "" {
				relative += "#" + anchor
			}
			return "[" + m[1] + "](" + filepath.ToSlash(relative) + ")"
		})
		if failed != nil {
			return nil, failed
		}
		out[name] = []byte(text)
	}
	return out, nil
}

// besideDocuments are the files that are not among the documents, by their names in
// the packages, and archived those in the archives.
var (
	besideDocuments = map[string]string{"LICENSE": "copyright", "CHANGELOG.md": "changelog.gz"}
	archived        = map[string]string{"LICENSE": "LICENSE", "CHANGELOG.md": "CHANGELOG.md"}
)

// writePages writes the documents below a folder.
func writePages(dir string) error {
	all, err := pages(besideDocuments)
	if err != nil {
		return err
	}
	for name, data := range all {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
