# Sets made, filled, flushed and filled again in one transaction and in several.
R() { nft flush ruleset; echo "== $*"; }
f() { nft -f -; echo "rc=$?"; }
R missing flag; nft 'add table t; add set t s { type ipv4_addr; }'; r add element t s '{ 192.168.0.0/16 }'; r add element t s '{ 10.0.0.1-10.0.0.5 }'; r add map t m '{ type ipv4_addr : mark; }';  r add element t m '{ 10.0.0.0/8 : 1 }'
R shadow; nft 'add table t; add set t s { type ipv6_addr; flags interval; }'; r add element t s '{ fe80::/64 }'; r add element t s '{ fe80::1 }';  r add element t s '{ fe80::/32 }'; r create element t s '{ fe80::/64 }'; r add element t s '{ fe80::/64 }'; r list ruleset
R create set; r create table t; r create set t s '{ type ipv4_addr; }'; r create set t s '{ type ipv4_addr; }'; r add set t s '{ type ipv4_addr; }'; r add set t s '{ type inet_service; }'; r add set t s '{ type ipv4_addr; flags interval; }'; r add set t s '{ type ipv4_addr; comment "x"; }';  r add set t s '{ type ipv4_addr; size 5; }'; r list ruleset
R create el; nft 'add table t; add set t s { type ipv4_addr; }'; r create element t s '{ 1.1.1.1 }'; r create element t s '{ 1.1.1.1 }'; r add element t s '{ 1.1.1.1, 2.2.2.2 }'; r create element t s '{ 3.3.3.3, 1.1.1.1 }'; r create element t s '{ 4.4.4.4, 4.4.4.4 }'; r list set t s
R after flush; nft 'add table t; add set t s { type ipv4_addr; flags interval; }; add element t s { 1.0.0.0/8, 9.0.0.0/8 }'; r 'flush set t s; add element t s { 1.0.0.0/9 }'; r list set t s; r 'flush set t s; add element t s { 5.0.0.0/9 }; flush set t s'; r list set t s; r 'add element t s { 1.1.1.1 }; delete element t s { 1.1.1.1 }'; r list set t s; r 'add element t s { 1.1.1.1 }; delete element t s { 1.1.1.1 }; add element t s { 1.1.1.1 }'; r list set t s; r 'delete element t s { 1.1.1.1 }; add element t s { 1.1.1.1 }'; r list set t s
R nest; f <<'X'
define a = { 1.1.1.0/24, 2.2.2.0/24 }
define b = { $a, 3.3.3.0/24 }
define c = 4.4.4.4
table t {
	set s { type ipv4_addr; flags interval; elements = { $b, $c }
	}
	chain c {
		ip saddr $b accept
		ip saddr { $a, $c } accept
		ip saddr $c accept
		ip saddr != $b drop
	}
}
X
r list ruleset
R incomplete; r 'add table t; add set t s'; r 'add set t s { }'; r 'add set t s { type ipv4_addr }'; r add set t s2 '{ type ipv4_addr; flags interval }'; r add set t s3 '{ type foo; }'; r add set t s4 '{ typeof ip saddr; }'; r add set t s5 '{ typeof ip sadr; }'; r add map t m1 '{ type ipv4_addr; }'; r add map t m2 '{ typeof ip saddr : mark; }'; r add map t m3 '{ typeof ip saddr : meta mark; }'; r list ruleset
R del handle; nft 'add table t; add set t s { type ipv4_addr; }; add map t m { type ipv4_addr : mark; }; add set t u { type ipv4_addr; }'; r -a list ruleset; r delete set t handle 2; r delete set t handle 9; r list ruleset
