#!/bin/sh
# Continues a checkpoint on all GPUs of this machine (or, with GPUS=0 and NPROC, on its cores).
set -eu
gpus=${GPUS:-$(nvidia-smi --list-gpus 2>/dev/null | wc -l)}
device=cuda
[ "$gpus" -gt 0 ] || device=cpu
processes=${NPROC:-$gpus}
[ "$processes" -gt 0 ] || processes=$(nproc)
exec e2mc continue --nproc "$processes" --device "$device" \
    --checkpoint "$CHECKPOINT" --recipe "${RECIPE:-vicreg-imagenet}" --data "$DATA" --out "${OUT:-runs/local}"
