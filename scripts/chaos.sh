#!/usr/bin/env bash
# The full reliability tier: thousands of kills, crashes, full disks and bad configs. Takes long.
source "$(dirname "$0")/setup.sh" dev
export NAS_CHAOS=full
exec pytest -m chaos "$@"
