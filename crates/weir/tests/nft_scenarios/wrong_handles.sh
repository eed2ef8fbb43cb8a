# Handles of nothing, and handles of something else.
r add table t
r add chain t c
r add rule t c ip daddr 1.1.1.1
r add chain t d
r delete table handle 99
r delete chain t handle 88
r delete rule t c handle 77
r delete set t handle 3
r delete chain t handle 2
h=$(nft -a list chain t c | awk '/daddr/{print $NF}')
r delete rule t c handle $h
r delete chain t handle 3
nft -a list ruleset
r delete chain t handle 1
for t in table chain set map flowtable counter quota 'ct helper' limit 'ct timeout' secmark synproxy 'ct expectation'; do r delete $t t handle 50; done
