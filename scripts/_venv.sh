# Sourced by the scripts beside it: makes .venv where there is none and installs the project into it, pinned.
# Nothing is downloaded again while pyproject.toml and constraints.txt stay as they are. Runs in bash 3.2, which macOS has.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

fail() { # one line that says how to mend it
    echo "error: $*" >&2
    exit 2
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.11 or newer; set it to one, or unset it"
        echo "$PYTHON"
        return
    fi
    for candidate in python3.11 python3.12 python3.13 python3; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    candidate=$(python3 --version 2>/dev/null || echo none)
    fail "Python 3.11 or newer is needed, and there is $candidate; install one" \
        "(Debian, Ubuntu: sudo apt install python3.11 python3.11-venv; macOS: brew install python@3.11), or PYTHON=/path/to/python3.11 $0"
}

make_venv() {
    local python version
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$python has no venv module; Debian, Ubuntu: sudo apt install python$version-venv; or PYTHON=/path/to/another $0"
    fi
    if ! "$python" -m venv --clear .venv; then
        rm -rf .venv
        fail "$python could not make .venv, see above; $(room)"
    fi
}

room() { # with CUDA, as it is for Linux, .venv takes 5.6 GB
    df -Pk . | awk 'NR == 2 { printf "%.1f GB are free here, and about 6 GB are needed", $4 / 1048576 }'
}

check_folder() { # before minutes of downloading
    [ -w . ] || fail "$top cannot be written; clone into a folder of yours, on a disk that is not read-only"
    [ "$(df -Pk . | awk 'NR == 2 { print $4 }')" -ge 1500000 ] || fail "$(room); free some, or clone onto another disk"
}

pip_install() { # pip_install WHAT ARGUMENT...
    local what=$1 begun=$SECONDS
    shift
    printf '  %s ' "$what"
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 2 --constraint constraints.txt "$@"; then
        echo
        fail "$what could not be installed, see above; no network? set HTTPS_PROXY, or PIP_INDEX_URL to a mirror;" \
            "no room? $(room); then once more: $0"
    fi
    echo "$((SECONDS - begun)) s"
}

install() { # install EXTRAS [PACKAGE...]: "" or "[test]", then packages without what they depend on
    local wanted extras=$1 stamp=".venv/installed$1"
    shift
    wanted=$(cat pyproject.toml constraints.txt | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    check_folder
    .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv
    echo "installing into .venv (torch and Ray: some minutes the first time)"
    # torch first and by itself, so that the pinned build is taken and nothing else pulls another one in.
    pip_install torch torch
    pip_install "nas$extras" --editable ".$extras"
    if [ $# -gt 0 ]; then
        pip_install "$*" --no-deps "$@"
    fi
    echo "$wanted" >"$stamp"
    echo "$wanted" >.venv/installed # what is installed with extras is installed without them too
}
