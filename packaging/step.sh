#!/bin/bash
# Runs one step of a make target: step.sh WHAT COMMAND [ARGUMENT...]
#
# While the command prints nothing, it says every 10 seconds what is going on. When the output has an error about a
# certificate, it says which setting that tool takes: where a proxy of a company opens TLS connections, every download
# fails that way. REDISJOBS_STEP is the interval in seconds; REDISJOBS_HINTS=0 leaves the second part out (tests have
# such errors on purpose).
set -u
what=$1
shift
log=$(mktemp)

ticker() {
	local before=0 now pause=
	# shellcheck disable=SC2329,SC2317 # the trap calls it
	stop() { [ -z "$pause" ] || kill "$pause" 2>/dev/null; exit 0; }
	trap stop TERM
	while :; do
		sleep "${REDISJOBS_STEP:-10}" >/dev/null 2>&1 &
		pause=$!
		wait "$pause"
		now=$(wc -c <"$log" 2>/dev/null) || exit 0
		[ "$now" != "$before" ] || echo "... $what, $SECONDS s" >&2
		before=$now
	done
}
ticker &
ticker=$!
trap 'rm -f "$log"' EXIT # not before: the ticker would have it too
"$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
kill "$ticker" 2>/dev/null
wait "$ticker" 2>/dev/null

hint() { # PATTERN SETTING
	[ "${REDISJOBS_HINTS:-1}" = 1 ] && grep -qE "$1" "$log" || return 0
	{
		echo "step.sh: a certificate was not accepted. Where a proxy of your company opens TLS connections, install its"
		echo "  certificate on this machine (update-ca-certificates), and set $2"
		echo "  (docs/install.md, Behind a proxy)"
	} >&2
}
hint 'x509:' "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt, or GOPROXY to your company's Go proxy"
hint 'CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError' "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
hint 'SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF' "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"
hint 'SSL certificate problem|unable to get local issuer certificate' "CURL_CA_BUNDLE and GIT_SSL_CAINFO to /etc/ssl/certs/ca-certificates.crt"
hint 'Certificate verification failed: The certificate is NOT trusted' "the apt option Acquire::https::CAInfo to the file of that certificate"
hint 'PKIX path building failed' "the Java key store (package ca-certificates-java)"
exit "$status"
