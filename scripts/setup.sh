# Sourced by the other scripts: makes .venv and installs the project once for each set of
# requirements. Usage: source scripts/setup.sh [EXTRA]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=".${1:+[$1]}"
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version). Set PYTHON=..." >&2
    exit 1
}
requirements="$(cat pyproject.toml constraints.txt | cksum)"
wanted="$what $requirements"
if [ ! -x .venv/bin/pip ]; then # the last that is made: a cut-off one is made whole
    "$python" -m venv .venv
fi
if ! grep -qsxF "$wanted" .venv/installed; then
    echo "installing $what into .venv (some minutes the first time: torch is large)" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --editable "$what"
    # What stands there of other requirements is overwritten now.
    { grep -sF "$requirements" .venv/installed || true; echo "$wanted"; } > .venv/installed.new
    mv .venv/installed.new .venv/installed
fi
export PATH="$PWD/.venv/bin:$PATH"
