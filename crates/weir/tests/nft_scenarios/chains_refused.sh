# Chains of wrong types, hooks and policies; chains that are jumped to are not deleted.
r add table t
r add chain t c1
r add chain t c2
r add rule t c1 jump c2
r add rule t c1 jump c99
r add rule t c1 goto c1
r delete chain t c2
r delete chain t c1
r add chain t input '{ type filter hook input priority 0 ; }'
r add chain t input2 '{ type filter hook input priority 0 ; policy drop ; }'
r add chain t bad '{ type filter hook nope priority 0 ; }'
r add chain t bad '{ type nat hook forward priority 0 ; }'
r add chain t bad '{ type route hook input priority 0 ; }'
r add chain t bad '{ type foo hook input priority 0 ; }'
r add chain t bad '{ type filter hook input priority 0 ; policy foo; }'
r add chain t bad '{ type filter hook ingress priority 0 ; }'
r add chain t bad '{ type filter hook input; }'
r add chain t bad '{ type nat hook postrouting priority -300; }'
r add rule t c1 masquerade
r add map t m '{ type inet_service : verdict; }'
r add element t m '{ 22 : jump c2 }'
r add element t m '{ 23 : jump nowhere }'
r add rule t c1 tcp dport vmap @m
r delete chain t c2
r add rule t input jump c1
r list ruleset
r delete map t m
