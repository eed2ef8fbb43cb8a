# A chain that a map jumps to is deleted after the element, and made anew.
nft -f - <<X
table x { map m { type ipv4_addr : verdict; elements = { 0.0.0.0 : jump y } ; }
chain y { drop; }
}
X
f <<X
flush chain x y
delete element x m { 0.0.0.0 : jump y }
delete chain x y
add chain x y
add rule x y ip saddr 1.1.1.1
X
r list ruleset
