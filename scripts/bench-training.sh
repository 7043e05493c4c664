#!/bin/sh
# A small network's training step, and a whole epoch with its images, against PyTorch, in turn.
# PYTHON names a python3 with torch 2.11 and torchvision; FASHION_MNIST the folder of that data set.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
rounds=${ROUNDS:-5}
threads=${THREADS:-2}
images=${IMAGES:-10000}
if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
    echo "bench-training: skipped, $python has no torch and torchvision (set PYTHON)" >&2
    exit 0
fi
if [ ! -e "$data/train-images-idx3-ubyte.gz" ]; then
    echo "bench-training: skipped, no Fashion-MNIST in $data (Debian: apt-get install dataset-fashion-mnist, or set FASHION_MNIST)" >&2
    exit 0
fi
cargo build --quiet --release --package e2mc-cli
step=$(cargo bench --package e2mc-train --bench step --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*step-[^"]*\)".*/\1/p' | tail -n 1)

echo "Training step of a small ResNet-18, batch 256, $threads threads (views a second)"
python3 scripts/in_turn.py "$rounds" views_per_s "$step" 256 "$threads" -- \
    "$python" scripts/peers/step.py small 256 "$threads"

# The same data, model, batch and loss as peers/epoch.py; evaluation is not part of it.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/epoch.sh" <<EOF
rm -rf "$folder/run"
OMP_NUM_THREADS=$threads RAYON_NUM_THREADS=$threads target/release/e2mc pretrain --recipe vicreg-small-pretrain \\
    --data "$data" --max-images $images --epochs 1 --knn-every 0 --threads $threads --out "$folder/run" --log-every 1000 \\
    --set criterion.name=e2mc --set criterion.transform=sigmoid --set criterion.beta=1000.0 \\
    --set criterion.gamma=100.0 --set criterion.epsilon=1e-7 \\
    --set optimizer.name=sgd --set optimizer.momentum=0.9 --set optimizer.weight_decay=0.0 \\
    --set training.learning_rate=1e-4 --set schedule.name=constant >/dev/null 2>&1
sed -n 's/.*"event":"epoch".*"images_per_s":\([0-9.]*\).*/{"case": "vicreg+e2mc epoch", "images_per_s": \1}/p' "$folder/run/metrics.jsonl"
EOF
echo "One epoch of VICReg + E2MC on $images images of Fashion-MNIST, images included, $threads threads (images a second)"
python3 scripts/in_turn.py "$rounds" images_per_s sh "$folder/epoch.sh" -- \
    "$python" scripts/peers/epoch.py "$data" "$images" "$threads" "$threads"
