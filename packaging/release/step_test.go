package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// step runs packaging/step.sh around a script for bash.
func step(t *testing.T, script string, environment ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := exec.Command("../step.sh", "doing it", "bash", "-c", script)
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	// make has switched the hints off for what it runs, these tests among them.
	c.Env = append(append(os.Environ(), "REDISJOBS_HINTS=1"), environment...)
	if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

func TestAStepThatIsSilentSaysWhatIsDone(t *testing.T) {
	t.Parallel()
	// The script ends when it has seen that something was said: no time is assumed.
	said := t.TempDir() + "/said"
	c := exec.Command("bash", "-c", `set -o pipefail; ../step.sh 'doing it' bash -c 'until [ -s "$0" ]; do sleep 0.05; done' "$0" 2>&1 >/dev/null | tee "$0"`, said)
	c.Env = append(os.Environ(), "REDISJOBS_STEP=0.1")
	out, err := c.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "... doing it, ")
}

func TestAStepPassesOutputAndExitCode(t *testing.T) {
	t.Parallel()
	code, out, errs := step(t, "echo one; echo two >&2; exit 3")
	require.Equal(t, 3, code)
	require.Equal(t, "one\ntwo\n", out)
	require.Empty(t, errs)
}

// The messages are those of the tools: Go crypto/x509, pip (urllib3), npm, curl and
// git, apt (GnuTLS), Java.
func TestAStepNamesTheSettingWhereACertificateIsRefused(t *testing.T) {
	t.Parallel()
	for message, setting := range map[string]string{
		`Get "https://x/": tls: failed to verify certificate: x509: certificate signed by unknown authority`:  "SSL_CERT_FILE",
		"SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))": "PIP_CERT",
		"npm error code SELF_SIGNED_CERT_IN_CHAIN":                                                            "NODE_EXTRA_CA_CERTS",
		"curl: (60) SSL certificate problem: unable to get local issuer certificate":                          "CURL_CA_BUNDLE",
		"Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.": "Acquire::https::CAInfo",
		"sun.security.validator.ValidatorException: PKIX path building failed":                                "ca-certificates-java",
	} {
		code, _, errs := step(t, "cat >&2 <<'E'\n"+message+"\nE\nexit 1")
		require.Equal(t, 1, code)
		require.Contains(t, errs, setting, message)
		_, _, errs = step(t, "cat >&2 <<'E'\n"+message+"\nE\nexit 1", "REDISJOBS_HINTS=0")
		require.Empty(t, errs, message)
	}
}
