#!/bin/sh
# Decoding and augmenting JPEG files against torchvision on Pillow, on one core and in turn; then what a
# second core adds, and where the time goes. PYTHON names a python3 with torch, torchvision and
# scikit-learn; JPEGS a folder of .jpg files to take in place of scikit-learn's two, at 500 x 375.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
jpegs=${JPEGS:-$folder/jpegs}
if ! "$python" -c 'import sklearn, torch, torchvision' 2>/dev/null; then
    echo "bench-images: skipped, $python has no torch, torchvision and scikit-learn (set PYTHON)" >&2
    exit 0
fi
if [ -z "${JPEGS:-}" ]; then
    mkdir "$jpegs"
    "$python" scripts/peers/augment.py --write "$jpegs"
fi
cargo build --quiet --release --package e2mc-cli
cargo bench --package e2mc-data --bench stages --no-run 2>/dev/null
cat >"$folder/ours.sh" <<EOF
for recipe in vicreg swav probe; do
    target/release/e2mc throughput "$jpegs" --recipe \$recipe --threads \$1 --seconds $seconds --json |
        sed "s/^{/{\"case\": \"\$recipe\", /"
done
EOF

echo "Images a second on one core"
python3 scripts/in_turn.py "$rounds" images_per_s sh "$folder/ours.sh" 1 -- "$python" scripts/peers/augment.py "$jpegs" "$seconds"
echo
echo "Images a second on two threads (left) and on one (right)"
python3 scripts/in_turn.py "$rounds" images_per_s sh "$folder/ours.sh" 2 -- sh "$folder/ours.sh" 1
echo
echo "Stages on one core"
E2MC_JPEGS=$jpegs cargo bench --quiet --package e2mc-data --bench stages
