#!/usr/bin/env bash
# Runs an edge and a device in two network namespaces with a token bucket filter on each way, where the kernel allows it: needs root,
# iproute2 and sch_tbf, for the delay sch_netem too. Elsewhere shape the link in process: 'coinference run --link' or '--trace'.
#
#   netns.sh SET RATE DELAY [arguments of 'coinference run SET --edge ...']
#   netns.sh set 5mbit 20ms --data shapes10 --decider autoscale --qos 50ms
#
# With TRACE=FILE (mahimahi, gzip or not) the rate follows the recording, once a second, until the device is done.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
set_folder=$1 rate=$2 delay=$3
shift 3
cli=${COINFERENCE:-coinference}
id=$$ device=coi-dev-$$ edge=coi-edge-$$
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    ip netns del "$device" 2>/dev/null || true
    ip netns del "$edge" 2>/dev/null || true
}
trap cleanup EXIT

ip netns add "$device"
ip netns add "$edge"
ip link add "d$id" netns "$device" type veth peer name "e$id" netns "$edge"
ip -n "$device" addr add 10.77.0.1/24 dev "d$id"
ip -n "$edge" addr add 10.77.0.2/24 dev "e$id"
ip -n "$device" link set "d$id" up
ip -n "$edge" link set "e$id" up
ip -n "$device" link set lo up
ip -n "$edge" link set lo up

# The delay sits below the bucket, so that what waits for tokens has not been delayed yet.
shape() { # NAMESPACE INTERFACE
    if tc -n "$1" qdisc add dev "$2" root handle 1: netem delay "$delay" limit 10000 2>/dev/null; then
        parent="parent 1:1"
    else
        echo "netns.sh: this kernel has no sch_netem: the rate is shaped, the delay is left out" >&2
        parent="root"
    fi
    # shellcheck disable=SC2086
    tc -n "$1" qdisc add dev "$2" $parent handle 2: tbf rate "$rate" burst 3000 latency 2s
}
shape "$device" "d$id"
shape "$edge" "e$id"

ip netns exec "$edge" "$cli" serve "$set_folder" --listen 10.77.0.2:7071 &
pids+=($!)
for _ in $(seq 100); do
    ip netns exec "$device" bash -c 'exec 3<>/dev/tcp/10.77.0.2/7071' 2>/dev/null && break
    sleep 0.1
done

if [ -n "${TRACE:-}" ]; then
    # Packets of 1500 bytes per second of the recording, as kbit/s; a second without a packet gets the least that tbf takes.
    (
        reader=cat; [[ $TRACE == *.gz ]] && reader="gzip -dc"
        while true; do
            $reader "$TRACE" | awk '{ s = int($1 / 1000); while (now < s) { print n * 12 < 8 ? 8 : n * 12; n = 0; now++ } n++ } END { print n * 12 < 8 ? 8 : n * 12 }' |
            while read -r kbit; do
                for end in "$device d$id" "$edge e$id"; do
                    # shellcheck disable=SC2086
                    set -- $end
                    tc -n "$1" qdisc change dev "$2" $parent handle 2: tbf rate "${kbit}kbit" burst 3000 latency 2s
                done
                sleep 1
            done
        done
    ) &
    pids+=($!)
fi

ip netns exec "$device" "$cli" run "$set_folder" --edge 10.77.0.2:7071 "$@"
