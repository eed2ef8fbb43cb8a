# Tens of thousands of elements in one transaction: added, emptied and filled again, refused whole.
elements() { seq "$1" "$2" | awk '{ printf "%s10.%d.%d.1-10.%d.%d.9", (NR > 1 ? ", " : ""), $1 / 256, $1 % 256, $1 / 256, $1 % 256 }'; }
sum() { nft list ruleset | tr -s ' \t\n' '\n' | sed 's/,$//' | md5sum; nft list ruleset | grep -o '10\.[0-9.]*-' | wc -l; }
echo 'table ip t {
	set s { type ipv4_addr; flags interval
	}
	set m { type ipv4_addr; flags interval; auto-merge
	}
}' | nft -f -
for s in s m; do
	echo "add element ip t $s { $(elements 1 30000) }" | nft -f - && echo added
done
sum
for s in s m; do
	printf 'flush set ip t %s\nadd element ip t %s { %s }\n' $s $s "$(elements 20001 50000)" | nft -f - && echo again
done
sum
printf 'flush ruleset\nadd table ip t\nadd set ip t s { type ipv4_addr; flags interval; }\nadd element ip t s { %s }\nadd rule ip t nope accept\n' "$(elements 1 30000)" | nft -f - || echo refused
sum
