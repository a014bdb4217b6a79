// Generate writes the templates of packaging/templates and docs/templates.md
// anew from their sources: `go generate ./packaging/templates`.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"redisjobs/packaging/templates"
)

func main() {
	if err := generate("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(dir string) error {
	files, err := templates.Generate(dir)
	if err != nil {
		return err
	}
	guide, err := templates.Guide(dir)
	if err != nil {
		return err
	}
	files[templates.GuideFile] = guide
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644)); err != nil {
			return err
		}
	}
	return nil
}
