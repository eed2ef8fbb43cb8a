# What -o merges, where nft 1.0.6 merges the same; -c prints it alone, and -o merges what comes by -f alone.
merge() { nft -o -f - > merged.out 2>&1; echo "exit $?"; nft list ruleset; nft flush ruleset; }
merge <<X
table inet t {
	chain a {
	}
	chain b {
	}
	chain c {
		type filter hook input priority 0; policy drop;
		tcp dport 22 accept
		tcp dport 80-90 accept
		meta l4proto { icmp, icmpv6 } accept
		iifname "eth1" ip saddr 1.1.1.1 ip daddr 2.2.2.3 accept
		iifname "eth1" ip saddr 1.1.1.2 ip daddr 2.2.2.4 accept
		udp dport 53 counter accept
		udp dport 67 counter accept
		ip saddr 10.0.0.1 jump a
		ip saddr 10.0.0.2 jump b
		ct state invalid drop
		ct state established,related accept
		tcp sport vmap { 1 : accept }
		tcp sport vmap { 2 : drop, 3-9 : accept }
	}
}
X
merge <<X
table ip n {
	chain c {
		type nat hook prerouting priority dstnat;
		tcp dport 80 dnat to 1.1.1.1:8001
		tcp dport 81 dnat to 2.2.2.2:9001
		ip saddr 10.141.11.0/24 redirect to :1
		ip saddr 10.141.13.0/24 redirect to :2
		udp dport 82 masquerade
	}
}
X
cat > rules.nft <<X
table ip t {
	chain c {
		tcp dport 1 accept
		tcp dport 2 accept
		ip saddr 1.1.1.1 accept
		ip saddr 1.1.1.2 drop
	}
}
X
# Half of what is told goes to standard output there.
nft -c -o -f rules.nft 2>&1 > /dev/null | grep -v '^into:' | grep rules.nft
nft list ruleset
nft -c -o -f rules.nft > both.out 2>&1
grep -c 'tcp dport { 1, 2 } accept' both.out
nft -o add table ip x
nft -o add chain ip x y
nft -o add rule ip x y tcp dport 1 accept
nft -o add rule ip x y tcp dport 2 accept
nft -o 'table ip x { chain z { tcp dport 1 accept; tcp dport 2 accept; }; }'
printf 'table ip x { chain w { tcp dport 1 accept; tcp dport 2 accept; }; }\nquit\n' | nft -o -i
nft list ruleset
# Files that are included are merged too.
nft flush ruleset
printf 'include "./rules.nft"\n' > including.nft
nft -o -f including.nft > /dev/null 2>&1
nft list ruleset
# What is refused is refused.
printf 'table ip z {\n\tchain c {\n\t\ttcp dport 1 accept\n\t\ttcp dport 2 jump nowhere\n\t}\n}\n' > refused.nft
nft -o -f refused.nft > /dev/null 2>&1; echo "exit $?"
nft list tables
