#!/bin/sh
#SBATCH --job-name=e2mc
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@300
# A job of two machines with four GPUs each. Five minutes before its time is over every process gets
# SIGUSR1: the run saves its state after the step under way and ends with exit code 3. The same job, queued
# again, goes on.
set -eu
exec srun e2mc continue --device cuda --checkpoint "$CHECKPOINT" --recipe "${RECIPE:-vicreg-imagenet}" \
    --data "$DATA" --out "${OUT:-runs/slurm}" --resume-or-start
