#!/bin/sh
# Rows of docs/study.md for one model of the core, on test images of other font families, with and without a map.
# evaluate.sh CHECKPOINT NAME PRESET GLYPHS OUT, where GLYPHS has the 98,885 training and 22,175 test images, and e2mc is on
# the PATH. `e2mc compare OUT/sgd-A OUT/sgd-B` gives a difference with its interval.
set -eu
checkpoint=$(realpath "$1")
name=$2
preset=$3
glyphs=$(realpath "$4")
mkdir -p "$5"
cd "$5"
for split in train test; do
    [ -e "$name.$split.npy" ] || e2mc embed --checkpoint "$checkpoint" --data "$glyphs" --split "$split" --out "$name.$split.npy"
done
[ -e "$name.map.safetensors" ] || e2mc adapt "$name.train.npy" --method whiten --strength 1 --out "$name.map.safetensors"
files="--train $name.train.npy --train-labels $name.train.labels.npy --test $name.test.npy --test-labels $name.test.labels.npy"
for map in "" "--map $name.map.safetensors"; do
    # shellcheck disable=SC2086  # several words
    for vote in majority weighted; do
        e2mc knn $files --vote "$vote" $map --out "knn-$vote-$name${map:+-map}"
    done
    # shellcheck disable=SC2086
    e2mc probe $files --fractions 0.01 --probe sgd --preset "$preset" $map --out "sgd-$name${map:+-map}"
done
