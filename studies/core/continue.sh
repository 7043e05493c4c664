#!/bin/sh
# Goes on from the bases with the method's loss alone and with E2MC, for 12 epochs (1,404 steps): the trained rows of
# docs/study.md. Nothing is chosen here: SwAV has the paper's coefficients (1, 25), VICReg the paper's (1000, 100), both the
# recipes' rate of 0.03. Runs that are there go on or are left.
# continue.sh BASES GLYPHS OUT [SEED...], where BASES has METHOD-base-SEED/model.safetensors, and e2mc is on the PATH.
set -eu
bases=$1
glyphs=$2
out=$3
shift 3
[ $# -gt 0 ] || set -- 0 1 2
for seed in "$@"; do
    for method in swav vicreg; do
        case $method in
        swav) recipe="swav-glyphs" ;;
        *) recipe="vicreg-small --set criterion.beta=1000" ;;
        esac
        for criterion in none e2mc; do
            run="$out/$method-$criterion-$seed"
            [ ! -e "$run/model.safetensors" ] || continue
            # shellcheck disable=SC2086  # several words
            e2mc continue --resume-or-start --checkpoint "$bases/$method-base-$seed/model.safetensors" --recipe $recipe \
                --criterion "$criterion" --epochs 12 --data "$glyphs" --max-images 30000 --seed "$seed" --knn-every 0 \
                --threads 1 --out "$run"
        done
    done
done
