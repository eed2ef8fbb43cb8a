# Statements of address translation are for chains that every way to them allows.
r add table t
r add chain t out '{ type nat hook output priority 0 ; }'
r add chain t c1
r add rule t c1 masquerade
r add rule t out tcp dport vmap '{ 1 : jump c1 }'
r add rule t out jump c1
r add chain t post '{ type nat hook postrouting priority 0 ; }'
r add rule t post jump c1
r add rule t out masquerade
r add chain t fo '{ type filter hook forward priority 0 ; }'
r add rule t fo jump c1
r add rule t fo masquerade
r add rule t post dnat to 1.1.1.1
r add rule t out snat to 1.1.1.1
r add map t m '{ type inet_service : verdict; elements = { 9 : jump c1 }; }'
r add rule t fo tcp dport vmap @m
r list ruleset
