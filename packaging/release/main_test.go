package main

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABillNamesWhatIsInTheProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	info, err := buildinfo.ReadFile(self)
	require.NoError(t, err)
	info.Deps = []*debug.Module{{Path: "golang.org/x/sys", Version: "v0.33.0"}, {Path: "github.com/Microsoft/go-winio", Version: "v0.6.2"}}
	at := time.Unix(1_700_000_000, 0).UTC()
	b, err := newBill(info, []byte("program"), "1.2.3+5.gabc", system{os: "linux", arch: "arm64"}, at)
	require.NoError(t, err)
	text, err := json.Marshal(b)
	require.NoError(t, err)
	require.Equal(t, "CycloneDX", b.BOMFormat)
	require.Equal(t, "2023-11-14T22:13:20Z", b.Metadata.Timestamp)
	require.Equal(t, "pkg:generic/zabbix-agent2-plugin-redisjobs@1.2.3%2B5.gabc?os=linux&arch=arm64", b.Metadata.Component.PURL)
	require.Regexp(t, `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, b.SerialNumber)
	require.Len(t, b.Components, 3)
	require.Equal(t, "std", b.Components[0].Name)
	require.Equal(t, "pkg:golang/github.com/microsoft/go-winio@v0.6.2", b.Components[2].PURL)
	require.Len(t, b.Dependencies[0].DependsOn, 3)
	require.NotContains(t, string(text), "null")

	info.Deps = append(info.Deps, &debug.Module{Path: "example.org/new", Version: "v1.0.0"})
	_, err = newBill(info, nil, "1", system{}, at)
	require.ErrorContains(t, err, "the licence of the module example.org/new is not known")
}

func TestDebianVersionsSortAsReleasesDo(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"1.2.3": "1.2.3-1", "1.2.3+5.gabc": "1.2.3+5.gabc-1", "1.2.3-rc.1": "1.2.3~rc.1-1", "0.0.0-dev+gabc": "0.0.0~dev+gabc-1",
	} {
		require.Equal(t, want, (&release{version: version}).debianVersion())
	}
}

func TestTheLicenceInDebiansForm(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../LICENSE")
	require.NoError(t, err)
	out := string(copyright(string(text)))
	require.Contains(t, out, "\nFiles: *\nCopyright: 2026 The RedisJobs authors\nLicense: Expat\n MIT License\n .\n Permission is hereby granted")
	require.Equal(t, 1, strings.Count(out, "\n\n"), "an empty line ends a paragraph, and there are two")
}

func TestTheWindowsConfigurationNamesAWindowsPath(t *testing.T) {
	t.Parallel()
	conf, err := os.ReadFile("../redisjobs.conf")
	require.NoError(t, err)
	out := string(windowsPaths(conf))
	require.Contains(t, out, "\nPlugins.RedisJobs.System.Path=C:\\Program Files\\Zabbix Agent 2\\zabbix-agent2-plugin-redisjobs.exe\n")
	require.NotContains(t, out, "\nPlugins.RedisJobs.System.Path=/usr")
}

func TestSums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o600))
	require.NoError(t, writeSums(dir))
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n", string(sums))
}
