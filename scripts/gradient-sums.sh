#!/bin/sh
# Summing gradients during the backward pass against summing them after it, in turn: two processes of one
# thread, on two network namespaces with a link of 1 Gbit/s, and on loopback without shared memory.
# usage: scripts/gradient-sums.sh OLD [ROUNDS]
# OLD is the program (`e2mc`, its engine beside it) built from the commit before "Gradients are summed while
# the backward pass goes on", which sums after the pass; E2MC the one that sums during it, if it is not
# target/release/e2mc. CASES chooses among "frozen large small", LINKS among "link loopback".
# The link needs the right to make network namespaces (root), `ip` and `tc`; skipped, and said so, without.
set -eu
cd "$(dirname "$0")/.."
. scripts/two-namespaces.sh
old=$(realpath "${1:?give the program that sums after the pass}")
rounds=${2:-3}
new=$(realpath "${E2MC:-target/release/e2mc}")
data=$(realpath "${DATA:-sample}")
folder=$(mktemp -d)
a=e2mc-a-$$ b=e2mc-b-$$
links=${LINKS:-link loopback}
trap 'remove_two_namespaces "$a" "$b"; rm -rf "$folder"' EXIT
case $links in *link*)
    if make_two_namespaces "$a" "$b" 10.78.0; then
        for space in "$a" "$b"; do
            tc -n "$space" qdisc add dev e2mc0 root tbf rate 1gbit burst 1mb latency 50ms
        done
    else
        echo "gradient-sums: no link, no right to make network namespaces (run as root, with iproute2)" >&2
        links=$(echo "$links" | sed 's/link//')
    fi ;;
esac

# A ResNet-50 of full width, or the recipe's small ResNet-18.
large='--set backbone.architecture=resnet50 --set backbone.width=64 --set method.projector=[2048,2048,2048]
    --batch 16 --max-images 160'
small='--batch 256 --max-images 5120'
# One run of two processes of a program; prints its images a second as in_turn.py reads them.
cat >"$folder/run.sh" <<EOF
program=\$1 link=\$2 case=\$3
case \$case in
frozen) what="$large --set training.freeze_batch_norm=true" ;;
large) what="$large" ;;
small) what="$small" ;;
esac
first= second= host=127.0.0.1
if [ "\$link" = link ]; then
    host=10.78.0.1 first="ip netns exec $a" second="ip netns exec $b"
fi
rm -rf "$folder/out"
words="pretrain --recipe vicreg-small-pretrain --data $data --epochs 1 --knn-every 0 --log-every 1000
    --threads 1 --timeout 120 \$what --out $folder/out"
export WORLD_SIZE=2 MASTER_ADDR=\$host MASTER_PORT=29577 OMP_NUM_THREADS=1 RAYON_NUM_THREADS=1
RANK=1 \$second \$program \$words >"$folder/second.log" 2>&1 &
RANK=0 \$first \$program \$words >"$folder/first.log" 2>&1 || { cat "$folder/first.log" >&2; exit 1; }
wait
sed -n "s/.*\"event\":\"epoch\".*\"images_per_s\":\([0-9.]*\).*/{\"case\": \"\$link \$case\", \"images_per_s\": \1}/p" \\
    "$folder/out/metrics.jsonl"
EOF
for link in $links; do
    for case in ${CASES:-frozen large small}; do
        echo "$link, $case: during the pass, then after it (images a second)"
        python3 scripts/in_turn.py "$rounds" images_per_s \
            sh "$folder/run.sh" "$new" "$link" "$case" -- sh "$folder/run.sh" "$old" "$link" "$case"
    done
done
