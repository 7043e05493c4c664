#!/bin/sh
# The criterion's value and gradient against PyTorch, in turn. PYTHON names a python3 with torch 2.11.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
threads=${THREADS:-2}
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "bench-criterion: skipped, $python has no torch (set PYTHON)" >&2
    exit 0
fi
cargo build --quiet --release --package e2mc --benches
bench=$(cargo bench --package e2mc --bench criterion --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*criterion-[^"]*\)".*/\1/p' | tail -n 1)
echo "Criterion, value and gradient, $threads threads (milliseconds)"
python3 scripts/in_turn.py "${ROUNDS:-5}" median_ms "$bench" "$threads" 5 -- "$python" scripts/peers/criterion.py "$threads" 5
