# A set that a rule names is made anew in one transaction with the rule.
r add table t
r add chain t a
r add chain t b
r add set t s '{ type inet_service; }'
r add element t s '{ 22 }'
r add rule t a tcp dport @s accept
r add rule t b ip saddr 1.1.1.1 drop
f <<X
flush chain t a
delete set t s
add set t s { type inet_service; }
add element t s { 80 }
add rule t a tcp dport @s accept
X
r list ruleset
r -f /dev/stdin <<< "flush chain t b; delete chain t b; list ruleset"
