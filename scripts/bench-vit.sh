#!/bin/sh
# A ViT-B/16's training step on the processor against plain PyTorch, in turn: time and peak memory; with
# blocks that are computed again for the gradient, too. PYTHON names a python3 with torch 2.11.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-3}
threads=${THREADS:-2}
batch=${BATCH:-8}
steps=${STEPS:-3}
large=${LARGE_BATCH:-32}
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "bench-vit: skipped, $python has no torch (set PYTHON)" >&2
    exit 0
fi
step=${BENCH_VIT:-$(cargo bench --workspace --bench vit --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*vit-[^"]*\)".*/\1/p' | tail -n 1)}

echo "Training step of a ViT-B/16, batch $batch, $threads threads"
python3 scripts/in_turn.py "$rounds" step_ms "$step" "$batch" "$threads" "$steps" -- \
    "$python" scripts/peers/vit.py "$batch" "$threads" "$steps"

echo "Peak memory of two steps, batch $large (MiB)"
for again in "" again; do
    "$step" "$large" "$threads" 1 $again
    "$python" scripts/peers/vit.py "$large" "$threads" 1 $again
done
