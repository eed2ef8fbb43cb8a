# Chains are deleted by handle.
r add table test-ip
for i in x y z; do r add chain test-ip $i; done
r add table ip6 test-ip6
for i in x y z; do r add chain ip6 test-ip6 $i; done
h=$(nft -a list chain test-ip y | awk '/chain y/{print $NF}')
r delete chain test-ip handle $h
h=$(nft -a list chain ip6 test-ip6 y | awk '/chain y/{print $NF}')
r delete chain ip6 test-ip6 handle $h
r -a list ruleset
r delete chain test-ip handle $h
