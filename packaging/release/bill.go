package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// The parts of a CycloneDX bill of materials that are used here.
// Source: https://cyclonedx.org/docs/1.5/json/
type (
	bill struct {
		Schema       string       `json:"$schema"`
		BOMFormat    string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		PURL     string    `json:"purl,omitempty"`
		Hashes   []hash    `json:"hashes,omitempty"`
		Licenses []licence `json:"licenses"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// licences of what may be in the program, in SPDX's words. A module that is not
// here is an error: somebody has to look at its licence.
var licences = map[string]string{
	"redisjobs":                     "MIT",
	"std":                           "BSD-3-Clause",
	"golang.zabbix.com/sdk":         "MIT",
	"golang.org/x/sys":              "BSD-3-Clause",
	"github.com/Microsoft/go-winio": "MIT",
}

func licenceOf(module string) ([]licence, error) {
	id, ok := licences[module]
	if !ok {
		return nil, fmt.Errorf("the licence of the module %s is not known: look at it, and add it in packaging/release", module)
	}
	var l licence
	l.License.ID = id
	return []licence{l}, nil
}

// writeBill writes the bill of materials of a program, from what the go command
// has put into it.
func writeBill(binary, path, version string, s system, at time.Time) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	b, err := newBill(info, data, version, s, at)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	w := json.NewEncoder(&text)
	w.SetEscapeHTML(false)
	w.SetIndent("", "  ")
	if err := w.Encode(b); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

func newBill(info *debug.BuildInfo, binary []byte, version string, s system, at time.Time) (*bill, error) {
	sum := sha256.Sum256(binary)
	main := component{
		Type: "application", Ref: program, Name: program, Version: version,
		PURL:   fmt.Sprintf("pkg:generic/%s@%s?os=%s&arch=%s", program, strings.ReplaceAll(version, "+", "%2B"), s.os, s.arch),
		Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sum)}},
	}
	var err error
	if main.Licenses, err = licenceOf("redisjobs"); err != nil {
		return nil, err
	}
	b := &bill{
		Schema: "http://cyclonedx.org/schema/bom-1.5.schema.json", BOMFormat: "CycloneDX", SpecVersion: "1.5", Version: 1,
		// A number of its own for each program, and the same one each time.
		SerialNumber: uuid(sum),
		Metadata:     metadata{Timestamp: at.Format(time.RFC3339), Component: main},
	}
	modules := []*debug.Module{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	modules = append(modules, info.Deps...)
	var refs []string
	for _, m := range modules {
		c, err := moduleComponent(m)
		if err != nil {
			return nil, err
		}
		b.Components = append(b.Components, c)
		refs = append(refs, c.Ref)
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.Ref, DependsOn: []string{}})
	}
	b.Dependencies = append([]dependency{{Ref: main.Ref, DependsOn: refs}}, b.Dependencies...)
	return b, nil
}

func moduleComponent(m *debug.Module) (component, error) {
	if m.Version == "" {
		return component{}, errors.New("the module " + m.Path + " has no version")
	}
	purl := "pkg:golang/" + strings.ToLower(m.Path) + "@" + m.Version
	l, err := licenceOf(m.Path)
	return component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl, Licenses: l}, err
}

// uuid makes a UUID of a digest (version 8, RFC 9562: of the maker's own).
func uuid(sum [32]byte) string {
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
