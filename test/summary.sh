#!/bin/bash
# gotestsum runs it last: it prints what `make test` ends with, and fails when nothing ran.
set -eu
echo "$((TESTS_TOTAL - TESTS_FAILED - TESTS_SKIPPED)) passed, $TESTS_FAILED failed, $TESTS_SKIPPED skipped"
if [ "$TESTS_TOTAL" = 0 ]; then
	echo "no test ran" >&2
	exit 1
fi
