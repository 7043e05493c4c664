#!/bin/sh
# One process with THREADS threads against THREADS processes with one thread each, in turn: alone, and beside
# as many busy loops.
# FASHION_MNIST is the folder of that data set.
set -eu
cd "$(dirname "$0")/.."
data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
rounds=${ROUNDS:-5}
threads=${THREADS:-2}
images=${IMAGES:-10000}
if [ ! -e "$data/train-images-idx3-ubyte.gz" ]; then
    echo "bench-processes: skipped, no Fashion-MNIST in $data (Debian: apt-get install dataset-fashion-mnist, or set FASHION_MNIST)" >&2
    exit 0
fi
cargo build --quiet --release --workspace --bins
folder=$(mktemp -d)
busy=
trap 'kill $busy 2>/dev/null || true; rm -rf "$folder"' EXIT
for kind in threads processes; do
    how="--nproc 1 --threads $threads"
    [ "$kind" = threads ] || how="--nproc $threads --threads 1"
    cat >"$folder/$kind.sh" <<EOF
rm -rf "$folder/run"
OMP_NUM_THREADS=$threads RAYON_NUM_THREADS=$threads target/release/e2mc pretrain --recipe vicreg-small-pretrain \\
    --data "$data" --max-images $images --epochs 1 --knn-every 0 $how --out "$folder/run" --log-every 1000 \\
    --set criterion.name=e2mc --set criterion.transform=sigmoid --set criterion.beta=1000.0 \\
    --set criterion.gamma=100.0 --set criterion.epsilon=1e-7 >/dev/null 2>&1
sed -n 's/.*"event":"epoch".*"images_per_s":\([0-9.]*\).*/{"case": "vicreg+e2mc epoch", "images_per_s": \1}/p' "$folder/run/metrics.jsonl"
EOF
done
compare() {
    python3 scripts/in_turn.py "$rounds" images_per_s sh "$folder/processes.sh" -- sh "$folder/threads.sh"
}
echo "VICReg + E2MC on $images images: $threads processes of one thread, then one process of $threads threads (images a second)"
compare
for _ in $(seq "$threads"); do
    sh -c 'while :; do :; done' &
    busy="$busy $!"
done
echo "The same beside $threads busy loops"
compare
