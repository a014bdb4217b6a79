//go:build packages && linux

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// newerVersion is that of the packages that the tests upgrade to.
const newerVersion = "99.0.0"

// laterPackages are those of a later version whose configuration differs from
// the first one's, as an upgrade has it.
type laterPackages struct{ deb, rpm, apk string }

var (
	later     laterPackages
	laterOnce sync.Once
)

// newer makes the packages of a later version, once for all tests.
func newer(t testing.TB) laterPackages {
	t.Helper()
	laterOnce.Do(func() {
		dir := copyTree(t)
		file := filepath.Join(dir, "packaging/redisjobs.conf")
		require.NoError(t, os.WriteFile(file, []byte("# A newer configuration.\n"+read(t, file)), 0o644))
		c := exec.Command("make", "deb", "VERSION="+newerVersion, "SOURCE_DATE_EPOCH="+environment(t, "SOURCE_DATE_EPOCH"),
			"MAINTAINER="+environment(t, "REDISJOBS_MAINTAINER"), "NFPM="+environment(t, "REDISJOBS_NFPM"))
		c.Dir = dir
		c.Env = append(os.Environ(), "MAKEFLAGS=", "MFLAGS=")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		kept, err := os.MkdirTemp("", "redisjobs-newer")
		require.NoError(t, err)
		for _, format := range []string{"rpm", "apk"} {
			c := exec.Command("build/package/bin/nfpm", "package", "--config", "packaging/nfpm.yaml", "--packager", format, "--target", "dist/")
			c.Dir = dir
			c.Env = append(os.Environ(), "PACKAGE_ARCH="+runtime.GOARCH, "PACKAGE_VERSION="+newerVersion, "PACKAGE_DESCRIPTION=newer",
				"PACKAGE_MAINTAINER="+environment(t, "REDISJOBS_MAINTAINER"), "PACKAGE_STAGE=build/package/linux-"+runtime.GOARCH)
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		require.NoError(t, os.CopyFS(kept, os.DirFS(filepath.Join(dir, "dist"))))
		later = laterPackages{deb: one(t, kept, "*.deb"), rpm: one(t, kept, "*.rpm"), apk: one(t, kept, "*.apk")}
	})
	require.NotEmpty(t, later.deb, "an earlier test could not make the packages of a later version")
	return later
}

func TestMain(m *testing.M) {
	code := m.Run()
	if later.deb != "" {
		_ = os.RemoveAll(filepath.Dir(later.deb))
	}
	os.Exit(code)
}
