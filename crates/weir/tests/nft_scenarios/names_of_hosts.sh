# Names of hosts stand for their addresses, and are listed with -N; localhost is known without a name server.
nft add table ip t
nft add chain ip t c
nft add set ip t s '{ type ipv4_addr . inet_service; }'
r add rule ip t c ip saddr localhost ip daddr '{ 127.0.0.1, 192.0.2.1 }' accept
r add element ip t s '{ localhost . 22, 192.0.2.1 . 22 }'
r get element ip t s '{ localhost . 22 }'
r add rule ip t c ip saddr localhost-192.0.2.1
for o in "" -N -nN -sN; do r $o list ruleset; done
