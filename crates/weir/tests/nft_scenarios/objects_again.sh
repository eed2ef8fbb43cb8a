# Objects in use and made again, maps of objects, positions of rules, variables.
R() { nft flush ruleset; echo "== $*"; }
f() { nft -f -; echo "rc=$?"; }
R ins many; nft 'add table t; add chain t c'; for i in 1 2 3; do nft insert rule t c tcp dport $i; nft add rule t c udp dport $i; done; r list chain t c; r insert rule t c index 2 drop; r add rule t c index 2 accept; r add rule t c index 7 accept; r add rule t c index 8 accept; r list chain t c
R rep batch; nft 'add table t; add chain t c; add rule t c counter'; r 'replace rule t c handle 2 accept; replace rule t c handle 2 drop'; r -a list ruleset; r 'delete rule t c handle 2; add rule t c log'; r -a list ruleset; r 'delete rule t c handle 2; delete rule t c handle 2'; r 'delete rule t c handle 3; delete rule t c handle 3'; r 'add rule t c accept; delete rule t c handle 4'; r -a list ruleset
R busy obj; nft 'add table t; add chain t c; add counter t k; add rule t c counter name k'; r delete counter t k; r delete table t; r list ruleset
R synproxy; nft 'add table t; add chain t c'; r 'add synproxy t s { mss 1460; wscale 7; timestamp sack-perm; }'; r 'add synproxy t s { mss 1461; wscale 8; }'; r add rule t c synproxy name s; r list ruleset; r list synproxy t s; r delete synproxy t s; r 'add map t m { type ipv4_addr : synproxy; }'; r 'add element t m { 1.1.1.1 : "s" }'; r add rule t c synproxy name ip saddr map @m; r add rule t c synproxy name ip saddr map '{ 1.1.1.1 : "s" }'; r list ruleset
R objmap; nft -f - <<X
table t {
	counter a {
	}
	counter b {
	}
	quota qa { 10 mbytes
	}
	map m { type ipv4_addr : counter; elements = { 1.1.1.1 : "a" }
	}
	chain c {
		counter name ip saddr map @m
		counter name ip saddr map { 1.1.1.1 : "a", 2.2.2.2 : "b" }
		quota name ip saddr map { 1.1.1.1 : "qa" }
	}
}
X
r list ruleset; r add element t m '{ 2.2.2.2 : "nope" }'; r add element t m '{ 2.2.2.2 : "qa" }'; r delete counter t b; r delete counter t a; r delete element t m '{ 1.1.1.1 }'; r add element t m '{ 1.1.1.1 : "b" }'; r list map t m
R rollback; f <<X
table ip t {
	set t { type ipv4_addr; elements = { 1.1.1.1 }
	}
	chain c {
		accept
	}
}
X
f <<'X'
flush ruleset
define A = 1
table ip t {
	chain c {
		tcp dport $A drop
	}
	chain other {
		jump nope
	}
}
X
r list ruleset; f <<X
flush ruleset
table ip t2 {
	set x { type foo
	}
}
X
r list ruleset
f <<X
add table t3
add map t3 m { type ipv4_addr : verdict; elements = { 1.1.1.1 : jump nope }; }
X
r list ruleset
R split; f <<X
table inet filter {
	chain ssh {
		type filter hook input priority 0; policy accept;
		tcp dport ssh accept;
	}
}
table inet filter {
	chain input {
		type filter hook input priority 1; policy accept;
		tcp dport 80 counter
	}
	chain ssh {
		tcp dport 23 drop
	}
}
X
r list ruleset
R jump var; f <<'X'
define dest = ber
table ip foo {
	chain bar {
		jump $dest
	}
	chain ber {
		return
	}
	chain bus {
		goto $dest
	}
}
X
f <<'X'
define dest = { 1024 }
table ip foo {
	chain bar {
		jump $dest
	}
}
X
f <<'X'
define dest = *
table ip foo {
	chain bar {
		jump $dest
	}
}
X
r list ruleset
R nested braces; f <<'X'
table inet t {
	chain c {
		tcp dport { 22, 23,
			24, # comment
			25 } accept
		tcp dport {
			80,
			443,
		} accept; counter
		ip saddr 1.1.1.1 \
			drop
	}
}; table ip x { 
}
X
r list ruleset
R vmap string; f <<'X'
define portas = { 1, 2 }
table ip t {
	chain c {
		tcp dport vmap { ssh : accept, "http" : drop }
	}
}
X
r list ruleset
R dvar; r -D 'x={1.1.1.1, 2.2.2.2}' -c 'add table t'; nft -D x=5 -f - <<'X'
add table t
add chain t c
add rule t c tcp dport $x
X
r list ruleset
