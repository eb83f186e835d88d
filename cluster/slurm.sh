#!/usr/bin/env bash
# A search on the nodes of a Slurm job: a Ray head on the first of them, workers on the others, and the search that joins them.
#
#   sbatch cluster/slurm.sh runs/NAME --space nasnet-cell --dataset cifar10 --budget 100gpuh --strategy evolution
#   sbatch --nodes=8 --time=48:00:00 cluster/slurm.sh runs/NAME ...        other numbers than those below
#
# The first argument is the run's folder, which should lie where all nodes see it (as homes do on most clusters); the others go to
# `nas search`. To expect: a minute after the job begins all nodes are up, and lines of the search come into nas-JOB.log. Two minutes
# before its time is over the search is told to end, and leaves its record; when the job is submitted again, or requeued by Slurm,
# it goes on from there. Nodes that Slurm takes away are done without. NAS_ENV names the virtual environment (default: ~/env),
# NAS_ADDRESS the head's address, where the first private one of its host is not the right one.
#
# Security: whoever reaches Ray's ports and has the token can run any program as this user, and what goes over the wire is not
# encrypted: on a cluster whose network is shared with people who are not trusted, that is a risk. The token is made for this job, in
# a file that only this user can read; Ray is bound to the nodes' private addresses, and starts no dashboard. See docs/security.md.
#SBATCH --job-name=nas
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --output=nas-%j.log
set -euo pipefail
if [ $# -eq 0 ]; then
    echo "usage: sbatch $0 RUN [options of nas search]" >&2
    exit 2
fi
run=$1
shift
environment=${NAS_ENV:-$HOME/env}
if [ -f "$environment/bin/activate" ]; then
    . "$environment/bin/activate"
fi

# A token for this job alone; a step that Slurm starts on another node inherits where it lies.
mkdir -p "$HOME/.ray"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/nas-$SLURM_JOB_ID
(umask 077 && python -c "import secrets; print(secrets.token_hex(32), end='')" >"$RAY_AUTH_TOKEN_PATH")
steps=()
finish() {
    for step in "${steps[@]}"; do
        kill "$step" 2>/dev/null || true
    done
    wait
    rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap finish EXIT

# The head's private address: 10/8, 172.16/12 or 192.168/16.
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
private='^(10|192\.168|172\.(1[6-9]|2[0-9]|3[01]))\.'
ip=${NAS_ADDRESS:-$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | tr ' ' '\n' | grep -E -m 1 "$private" || true)}
if [ -z "$ip" ]; then
    echo "$head has no private address; set NAS_ADDRESS to one that only trusted machines reach" >&2
    exit 2
fi
port=$((20000 + SLURM_JOB_ID % 10000))
each=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --object-store-memory=200000000 --disable-usage-stats --block)

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="$ip" --port="$port" --include-dashboard=false "${each[@]}" >"nas-$SLURM_JOB_ID-head.log" 2>&1 &
steps+=($!)
if [ "${#nodes[@]}" -gt 1 ]; then
    others=$((${#nodes[@]} - 1))
    srun --overlap --nodes="$others" --ntasks="$others" --ntasks-per-node=1 --exclude="$head" \
        bash -c 'for try in $(seq 60); do (echo >/dev/tcp/"$0"/"$1") 2>/dev/null && break; sleep 1; done; exec ray start --address="$0:$1" "${@:2}"' \
        "$ip" "$port" "${each[@]}" >"nas-$SLURM_JOB_ID-workers.log" 2>&1 &
    steps+=($!)
fi

# All nodes, or those that are up after five minutes.
python - "$ip:$port" "${#nodes[@]}" <<'PYTHON'
import sys
import time

import ray

address, wanted, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + 300
while True:
    try:
        ray.init(address, logging_level="ERROR", log_to_driver=False)
        break
    except Exception as error:
        if time.monotonic() > end:
            sys.exit(f"the head does not come up: {error}")
        time.sleep(1)
while (up := sum(node["Alive"] for node in ray.nodes())) < wanted and time.monotonic() < end:
    time.sleep(1)
print(f"{up} of {wanted} nodes are up", flush=True)
PYTHON

if [ -e "$run/run.yaml" ]; then
    nas resume "$run" --address "$ip:$port" &
else
    nas search --out "$run" --address "$ip:$port" "$@" &
fi
search=$!
trap 'kill -TERM "$search" 2>/dev/null || true' TERM INT
status=0
wait "$search" || status=$?
while kill -0 "$search" 2>/dev/null; do # a signal ended the waiting, not the search
    status=0
    wait "$search" || status=$?
done
exit "$status"
