#!/bin/sh
# What a map adds to a base's features, on test images of other font families: docs/study.md.
# run.sh BASE GLYPHS OUT, where GLYPHS has the 98,885 training and 22,175 test images, and e2mc is on the PATH.
set -eu
base=$(realpath "$1")
glyphs=$(realpath "$2")
mkdir -p "$3"
cd "$3"
[ -e train.npy ] || e2mc embed --checkpoint "$base" --data "$glyphs" --split train --out train.npy
[ -e test.npy ] || e2mc embed --checkpoint "$base" --data "$glyphs" --split test --out test.npy
[ -e map.sgd-head.safetensors ] || e2mc adapt train.npy --labels train.labels.npy --for neighbours,sgd-head --out map.safetensors
files="--train train.npy --train-labels train.labels.npy --test test.npy --test-labels test.labels.npy"
# shellcheck disable=SC2086  # several words
for vote in majority weighted; do
    e2mc knn $files --vote "$vote" --out "knn-base-$vote"
    e2mc knn $files --vote "$vote" --map map.neighbours.safetensors --out "knn-map-$vote"
    e2mc compare "knn-base-$vote" "knn-map-$vote"
done
# shellcheck disable=SC2086
{
    e2mc probe $files --fractions 0.01 --probe sgd --preset "${PRESET:-vicreg}" --out sgd-base
    e2mc probe $files --fractions 0.01 --probe sgd --preset "${PRESET:-vicreg}" --map map.sgd-head.safetensors --out sgd-map
}
e2mc compare sgd-base sgd-map
