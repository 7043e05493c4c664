# shellcheck shell=sh
# Read by other scripts, not run: two network namespaces that act as two machines, joined by one link.
# Making them needs the right to (root), and `ip`.

# make_two_namespaces A B NETWORK: makes the namespaces A and B with the addresses NETWORK.1 and NETWORK.2, on the devices
# e2mc0. Says nothing and fails where there is no right to make them.
make_two_namespaces() {
    ip netns add "$1" 2>/dev/null || return 1
    ip netns add "$2"
    ip link add e2mc0 netns "$1" type veth peer name e2mc0 netns "$2"
    host=1
    for space in "$1" "$2"; do
        ip -n "$space" addr add "$3.$host/24" dev e2mc0
        ip -n "$space" link set e2mc0 up
        ip -n "$space" link set lo up
        host=$((host + 1))
    done
}

# remove_two_namespaces A B: removes them, if they are there.
remove_two_namespaces() {
    for space in "$1" "$2"; do
        ip netns del "$space" 2>/dev/null || true
    done
}
