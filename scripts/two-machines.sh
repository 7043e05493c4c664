#!/bin/sh
# Two network namespaces with addresses of their own act as two machines: the run must be that of one process.
# Needs the rights to make them (root), and `ip`; skipped, and said so, without.
set -eu
cd "$(dirname "$0")/.."
. scripts/two-namespaces.sh
a=e2mc-a-$$ b=e2mc-b-$$
if ! make_two_namespaces "$a" "$b" 10.77.0; then
    echo "two-machines: SKIPPED, no right to make network namespaces (run as root, with iproute2)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'remove_two_namespaces "$a" "$b"; rm -rf "$folder"' EXIT
run="target/release/e2mc pretrain --recipe vicreg-small-pretrain --data ${DATA:-sample} --epochs 1 --batch 64
    --max-images 640 --set backbone.width=4 --set method.projector=[16,16] --log-every 1 --threads 1 --knn-every 0
    --timeout 60"
loss() {
    sed -n 's/.*"event":"step".*"loss":\([-0-9.e]*\).*/\1/p' "$1/metrics.jsonl" | head -n 1
}
# shellcheck disable=SC2086
$run --out "$folder/alone" >/dev/null 2>&1
export WORLD_SIZE=2 MASTER_ADDR=10.77.0.1 MASTER_PORT=29555 OMP_NUM_THREADS=1
# shellcheck disable=SC2086
RANK=1 ip netns exec "$b" $run --out "$folder/together" >"$folder/b.log" 2>&1 &
other=$!
# shellcheck disable=SC2086
RANK=0 ip netns exec "$a" $run --out "$folder/together"
wait "$other"
one=$(loss "$folder/alone") two=$(loss "$folder/together")
echo "first loss of one process $one, of two machines $two"
awk -v a="$one" -v b="$two" 'BEGIN { d = a - b; if (d < 0) d = -d; if (a < 0) a = -a; exit !(d <= 1e-4 * a) }'
