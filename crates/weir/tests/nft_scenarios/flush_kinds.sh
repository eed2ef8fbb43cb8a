# `flush set`, `flush map` and `flush meter` empty what they name alone.
nft -f - <<X
table ip t {
	set s { type ipv4_addr; elements = { 1.1.1.1 }
	}
	map m { type ipv4_addr : inet_service; elements = { 1.1.1.1 : 22 }
	}
	set d { type ipv4_addr; flags dynamic; }
}
X
for c in 'map t s' 'set t m' 'meter t s' 'meter t m' 'set t nope' 'set nope s'; do
	nft flush $c && echo "flushed $c"
done
nft list ruleset
nft flush set t s && nft flush map t m && nft flush set t d && nft list ruleset
