#!/bin/sh
# Fuzzes the readers of files, one target after the other, with the address sanitizer.
#
#   scripts/fuzz.sh run SECONDS [TARGET...]    search; what fails stays in fuzz/artifacts/TARGET
#   scripts/fuzz.sh minimise [TARGET...]       keep of each corpus what reaches code that no other does
#
# Needs a nightly toolchain and cargo-fuzz: see docs/fuzzing.md.
set -eu
cd "$(dirname "$0")/.."
work=${1:-}
[ $# -eq 0 ] || shift
# A file may take 512 MB and 5 seconds.
limits="-rss_limit_mb=512 -timeout=5 -max_len=16384"
failed=

case $work in
run)
    seconds=${1:?give the seconds for each target}
    shift
    for target in ${@:-$(cargo +nightly fuzz list)}; do
        echo "== $target"
        begun=$(date +%s)
        nice -n 10 cargo +nightly fuzz run "$target" -- $limits -max_total_time="$seconds" -print_final_stats=1 ||
            failed="$failed $target"
        echo "== $target: $(($(date +%s) - begun)) s"
    done
    ;;
minimise)
    for target in ${@:-$(cargo +nightly fuzz list)}; do
        nice -n 10 cargo +nightly fuzz cmin "$target" -- $limits
    done
    du -sh fuzz/corpus
    ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
