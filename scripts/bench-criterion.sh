#!/bin/sh
# Values and gradients of the criterion, and of those it is compared with, against PyTorch, in turn. PYTHON names a
# python3 with torch 2.11.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
threads=${THREADS:-2}
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "bench-criterion: skipped, $python has no torch (set PYTHON)" >&2
    exit 0
fi
for name in criterion rivals; do
    bench=$(cargo bench --package e2mc --bench $name --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*'$name'-[^"]*\)".*/\1/p' | tail -n 1)
    echo "Value and gradient, $name, $threads threads (milliseconds)"
    python3 scripts/in_turn.py "${ROUNDS:-5}" median_ms "$bench" "$threads" 5 -- "$python" "scripts/peers/$name.py" "$threads" 5
    echo
done
