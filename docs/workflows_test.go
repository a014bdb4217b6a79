package docs_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestWorkflows holds the workflows to the Makefile, and each action in them to
// one version.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(top(".github/workflows/*.yml"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	makefile := readFile(t, "Makefile")
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+\.\d+\.\d+$`)
	target := regexp.MustCompile(`\bmake ([a-z-]+)`)
	for _, path := range files {
		file := ".github/workflows/" + filepath.Base(path)
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Strategy struct{ Matrix struct{ Target []string } }
				Steps    []struct{ Uses, Run string }
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(readFile(t, file)), &workflow), file)
		require.Equal(t, map[string]string{"contents": "read"}, workflow.Permissions, "%s: what a job may do more, it says", file)
		require.NotEmpty(t, workflow.Jobs, file)
		for name, job := range workflow.Jobs {
			targets := job.Strategy.Matrix.Target
			for _, step := range job.Steps {
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s: name one version, as v1.2.3: %s", file, name, step.Uses)
				}
				for _, m := range target.FindAllStringSubmatch(step.Run, -1) {
					targets = append(targets, m[1])
				}
			}
			for _, target := range targets {
				require.Regexp(t, `(?m)^`+target+`:`, makefile, "%s: %s runs make %s", file, name, target)
			}
		}
	}
}

// TestTheNotesOfARelease: each version of CHANGELOG.md has notes, which end where
// the next one begins.
func TestTheNotesOfARelease(t *testing.T) {
	t.Parallel()
	versions := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+)`).FindAllStringSubmatch(readFile(t, "CHANGELOG.md"), -1)
	require.NotEmpty(t, versions)
	readFile(t, "packaging/changes.sh") // so that the go command knows that it matters
	for _, v := range versions {
		out, err := exec.Command(top("packaging/changes.sh"), "v"+v[1]).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Regexp(t, `(?m)^- `, string(out))
		require.NotRegexp(t, `(?m)^## `, string(out))
	}
	out, err := exec.Command(top("packaging/changes.sh"), "v999.0.0").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "has no section")
}
