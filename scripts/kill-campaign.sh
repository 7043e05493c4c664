#!/bin/sh
# Kills continue, embed, sweep and probe at random moments by random signals, runs the same command
# again, and compares what it leaves with what an undisturbed run leaves, byte by byte (times aside).
# usage: scripts/kill-campaign.sh [KILLS [SEED [COMMAND...]]]   (200 kills of each command, seed 0)
# E2MC names the program if it is not target/release/e2mc. Exit code 1: something differed, and the
# folders of those trials are kept.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${E2MC:-}" ]; then
    cargo build --quiet --release --workspace --bins
    E2MC=${CARGO_TARGET_DIR:-target}/release/e2mc
    export E2MC
fi
exec python3 "scripts/${CAMPAIGN:-kill_campaign}.py" "$@"
