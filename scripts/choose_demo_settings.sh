#!/usr/bin/env bash
# Chooses the demo's beta, gamma and learning rate: continues the sample's base model with each of a
# few settings and probes it on *training* images that the sample does not hold.
#
# usage: choose_demo_settings.sh VALIDATION_DIR OUT_DIR   (VALIDATION_DIR: make_sample.py --validation)
# Prints one line a setting: name, logistic and SGD probe at 1 % and 10 % of the labels, k-NN.
set -euo pipefail
data=$1 out=$2
e2mc=${E2MC:-target/release/e2mc}
seeds=${SEEDS:-10}
mkdir -p "$out"

probe() { # name, model
    "$e2mc" probe --checkpoint "$2" --data "$data" --fractions 0.01,0.1 --seeds "$seeds" --json >"$out/$1.json"
    python3 - "$1" "$out/$1.json" <<'PYTHON'
import json, sys
result = json.load(open(sys.argv[2]))
cells = [f"{p['accuracy']:.2f} ± {p['standard_error']:.2f}" for p in result["probes"]]
print("%-28s" % sys.argv[1], "   ".join(cells), "  %.2f" % result["knn"], flush=True)
PYTHON
}

setting() { # name, further options of `continue`
    local name=$1
    shift
    if [ ! -e "$out/$name/model.safetensors" ]; then
        "$e2mc" continue --recipe vicreg-small --checkpoint sample/base.safetensors --data "$data" \
            --out "$out/$name" --knn-every 0 "$@" 2>"$out/$name.log" >/dev/null
    fi
    probe "$name" "$out/$name/model.safetensors"
}

printf '%-28s %s\n' "setting" "logistic 1 %   sgd 1 %   logistic 10 %   sgd 10 %   k-NN"
probe base sample/base.safetensors
for rate in ${RATES:-0.03 0.1 0.3}; do
    setting "lr$rate-continued" --criterion none --set training.learning_rate="$rate"
    for beta in ${BETAS:-1 10 100 1000}; do
        for gamma in ${GAMMAS:-100}; do
            setting "lr$rate-beta$beta-gamma$gamma" --set training.learning_rate="$rate" \
                --set criterion.beta="$beta" --set criterion.gamma="$gamma"
        done
    done
done
