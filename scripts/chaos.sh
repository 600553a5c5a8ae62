#!/usr/bin/env bash
# The full reliability tier: thousands of kills, crashes, full disks, bad configs and hostile files.
# Takes hours. What follows is handed to pytest, so that it can be run in pieces:
#     bash scripts/chaos.sh tests/chaos/test_kills.py -k storm
# Each piece ends with a table of what it did.
source "$(dirname "$0")/setup.sh" dev
export NAS_CHAOS=full
exec pytest -m chaos "$@"
