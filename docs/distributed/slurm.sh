#!/bin/sh
#SBATCH --job-name=e2mc
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@300
# A job of two machines with four GPUs each. Five minutes before its time is over every process gets
# SIGUSR1: the run saves its state after the step under way and ends with exit code 3. Queue it again with
# RESUME=1 to go on.
set -eu
out=${OUT:-runs/slurm}
if [ -n "${RESUME:-}" ]; then
    exec srun e2mc continue --device cuda --out "$out" --resume
fi
exec srun e2mc continue --device cuda --checkpoint "$CHECKPOINT" --recipe "${RECIPE:-vicreg-imagenet}" \
    --data "$DATA" --out "$out"
