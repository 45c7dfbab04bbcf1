#!/usr/bin/env bash
# Everything the tests need, then the tests: a virtual environment, the package, a browser for the page tests.
# Arguments go to pytest: `bash tests/run.sh tests/unit -k fusion`.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VITRINE_VENV:-.venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[test]'

browser() { command -v chromium chromium-browser google-chrome 2>/dev/null | head -n 1; }
if [ -z "$(browser)" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null
    else
        # The page tests find Playwright's own browser too; without any they are skipped, and say so.
        "$venv/bin/playwright" install chromium || true
    fi
fi

exec "$venv/bin/python" -m pytest "$@"
