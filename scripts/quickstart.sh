#!/usr/bin/env bash
# The whole main job on scikit-learn's handwritten digits: search, retrain, measure, report.
# Further words are handed to `nas run`, such as --set search.trials=3.
source "$(dirname "$0")/setup.sh" ""  # or else it would take the words for its own
exec nas run --config configs/quickstart.yaml --overwrite "$@"
