#!/bin/sh
# Kills a random one of two processes that train together at random moments, by SIGKILL. Each time the
# command must end soon with one error that names the process, leave nothing in halves, and, run again,
# come to the bytes of an undisturbed run (times aside).
# usage: scripts/kill-processes.sh [KILLS [SEED]]   (100 kills, seed 0)
# E2MC names the program if it is not target/release/e2mc. Exit code 1: something was wrong, and the
# folders of those trials are kept.
set -eu
CAMPAIGN=kill_processes exec "$(dirname "$0")/kill-campaign.sh" "$@"
