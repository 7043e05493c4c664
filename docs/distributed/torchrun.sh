#!/bin/sh
# The same with torchrun, once on each of NODES machines; HOST is one of them that all can reach.
set -eu
exec torchrun --no-python --nnodes "${NODES:-1}" --nproc-per-node "${NPROC:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "${HOST:-localhost:29400}" --rdzv-id "${RUN_ID:-e2mc}" \
    e2mc continue --device cuda \
    --checkpoint "$CHECKPOINT" --recipe "${RECIPE:-vicreg-imagenet}" --data "$DATA" --out "${OUT:-runs/torchrun}"
