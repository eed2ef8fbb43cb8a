# Jumps in a circle, through rules and maps.
r add table t
r add chain t c1
r add chain t c2
r add chain t c3
r add rule t c1 jump c2
r add rule t c2 jump c3
r add rule t c3 jump c1
r add chain t in '{ type filter hook input priority 0; }'
r add rule t in jump c1
r add rule t c3 jump c1
r add rule t c1 jump c1
r add rule t c1 tcp dport vmap '{ 1 : jump c1 }'
r add map t m '{ type inet_service : verdict; }'
r add element t m '{ 2 : jump c2 }'
r add rule t c3 tcp dport vmap @m
r add rule t c3 tcp dport vmap '{ 1 : accept, 2 : jump c1 }'
r list ruleset
