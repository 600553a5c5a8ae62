#!/usr/bin/env bash
# Formatting, types and tests, the files of tests spread over all cores. Further words are handed
# to pytest, such as -k retrain.
source "$(dirname "$0")/setup.sh" dev
ruff check .
ruff format --check .
mypy
exec pytest --numprocesses auto --dist loadfile "$@"
