# Chains are renamed in batches, to names that are taken or free again.
r add table t
r add chain t c1
r add chain t c2
r rename chain t c1 c2
r rename chain t c1 c3
r rename chain t c9 c3
f <<X
rename chain t c3 c4
add chain t c3
rename chain t c3 c5
X
f <<X
rename chain t c4 x1
rename chain t c4 x2
X
f <<X
add chain t n
rename chain t n n2
add rule t n2 accept
X
r list ruleset
