# Sourced by the scripts beside it: makes .venv where there is none and installs the project into it, pinned.
# Nothing is downloaded again while pyproject.toml and constraints.txt stay as they are.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

find_python() {
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: Python 3.11 or newer is needed; set PYTHON to one" >&2
    exit 2
}

install() { # install EXTRAS [PACKAGE...]: "" or "[test]", then packages without what they depend on
    local wanted extras=$1 stamp=".venv/installed$1"
    shift
    wanted=$(cat pyproject.toml constraints.txt | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    local python
    python=$(find_python)
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    echo "installing into .venv (torch and Ray: some minutes the first time)"
    # torch first and by itself, so that the pinned build is taken and nothing else pulls another one in.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$extras"
    if [ $# -gt 0 ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps "$@"
    fi
    echo "$wanted" >"$stamp"
    echo "$wanted" >.venv/installed # what is installed with extras is installed without them too
}
