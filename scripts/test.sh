#!/usr/bin/env bash
# Formatting, types and tests, the files of tests spread over all cores. Further words are handed
# to pytest, such as -k retrain.
source "$(dirname "$0")/setup.sh" dev
ruff check .
ruff format --check .
mypy
# In the order of their names: the files of chaos, whose few tests take longest, come early then, and
# those of training, which take seconds, last. By their number of tests it would be the other way
# round, and all cores but one would wait at the end.
exec pytest --numprocesses auto --dist loadfile --no-loadscope-reorder "$@"
