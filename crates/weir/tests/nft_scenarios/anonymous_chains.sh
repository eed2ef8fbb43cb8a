# Anonymous chains live and go with their rule.
f <<X
table inet x { chain y { type filter hook input priority 0
tcp dport 22 jump { ip saddr { 127.0.0.0/8, 172.23.0.0/16, 192.168.13.0/24 } accept
 ip6 saddr ::1/128 accept; } ; } }
X
r list ruleset
f <<X
add rule inet x y tcp dport 23 jump { accept; drop }
add chain inet x w
add rule inet x w meta iifname "a" jump { meta l4proto { tcp, udp } goto { counter; } ; }
X
r list ruleset
r flush chain inet x y
r list ruleset
h=$(nft -a list chain inet x w | awk '/iifname/{print $NF}')
r -a list chain inet x w
f <<X
table inet x { chain z { type filter hook input priority 0; jump { jump { counter; } } } }
X
r flush chain inet x w
r delete table inet x
nft -j list ruleset | grep -c "table"
