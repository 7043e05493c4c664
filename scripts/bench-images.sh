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
bench() {
    cargo bench --package e2mc-data --bench "$1" --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1
}
pipeline=$(bench pipeline)
stages=$(bench stages)

echo "Images a second on one core"
python3 scripts/in_turn.py "$rounds" images_per_s "$pipeline" "$jpegs" 1 "$seconds" -- \
    "$python" scripts/peers/augment.py "$jpegs" "$seconds"
echo
echo "Images a second on two threads (left) and on one (right)"
python3 scripts/in_turn.py "$rounds" images_per_s "$pipeline" "$jpegs" 2 "$seconds" -- \
    "$pipeline" "$jpegs" 1 "$seconds"
echo
echo "Stages on one core"
E2MC_JPEGS=$jpegs "$stages"
