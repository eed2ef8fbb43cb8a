# Chains that call each other: as deep as the kernel lets them, in no circle that a packet can reach, none in use deleted.
nft add table t
nft add chain t input '{ type filter hook input priority 0; }'
{ for i in $(seq 0 15); do echo "add chain t a$i"; done
for i in $(seq 1 15); do echo "add rule t a$((i-1)) jump a$i"; done; } | nft -f -
nft add rule t input jump a1 && echo 15
nft add rule t input jump a0 && echo 16
nft add rule t a15 jump a3 && echo circle
nft add rule t a15 jump a15 && echo itself
nft add rule t a15 ip daddr vmap '{ 1.1.1.1 : jump a9 }' && echo circle in a map
nft add rule t a15 jump input && echo base
nft delete chain t a15 && echo deleted
nft add rule t a15 masquerade && echo masquerade
nft list table t | md5sum
