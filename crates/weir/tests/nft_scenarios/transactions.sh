# A file is applied whole or not at all; what it deletes can be made again in it.
nft -f - <<X
table ip t {
	set s { type ipv4_addr; elements = { 1.1.1.1 }
	}
	chain c { ip saddr @s drop
		jump other
	}
	chain other {
	}
}
X
wrong() { nft -f - && echo applied; nft list ruleset | md5sum; }
nft list ruleset | md5sum
wrong <<X
flush ruleset
table ip t2 {
	chain c2 { jump nope
	}
}
X
wrong <<X
add table zz
delete rule t c handle 2000
X
wrong <<X
flush ruleset
add table x
add set x s { type ipv4_addr; }
create set x s { type ipv4_addr; }
X
wrong <<X
delete chain t other
X
nft -f - <<X
delete table t
add table t
add chain t c
delete chain t c
add chain t c
add rule t c ip saddr { 1.1.1.1, 2.2.2.2 } counter
add set t s { type ipv4_addr; }
add element t s { 1.1.1.1 }
delete element t s { 1.1.1.1 }
add element t s { 2.2.2.2 }
flush set t s
add element t s { 3.3.3.3 }
X
nft list ruleset
# Chains that go with a rule are replaced with it; what is deleted and made again is new.
nft -f - <<X
add rule t c jump { counter; accept; }
add rule t c goto { drop; }
X
nft -f - <<X
flush chain t c
add rule t c jump { return; }
X
nft -f - <<X
delete set t s
add set t s { type inet_service; flags interval; auto-merge; }
add element t s { 1-5 }
add element t s { 4-9 }
delete element t s { 1-9 }
add element t s { 7 }
X
nft list ruleset
