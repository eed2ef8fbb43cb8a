# Indices count rules of the same text.
f <<X
add table t
add chain t c
add rule t c accept comment "one"
add rule t c accept comment "two"
insert rule t c index 1 accept comment "ins"
add rule t c index 0 accept comment "after0"
X
r list ruleset
nft -f - <<X
table t { chain c { accept comment "three"
} }
insert rule t c index 5 accept comment "before three"
add rule t c index 4 accept comment "x"
X
r list ruleset
