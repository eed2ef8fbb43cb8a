# Two programs change the same table at the same time: every change of both is there in the end, though what one has
# read of the ruleset is old by the time it commits.
nft -f - <<X
table ip t {
	set a { type inet_service; flags interval; auto-merge
	}
	set i { type inet_service; flags interval
	}
	chain c {
	}
}
X
for n in $(seq 1 40); do nft add rule ip t c meta mark "$n" counter || echo "rule $n: $?"; done &
for n in $(seq 1 40); do
	nft "add element ip t a { $((n * 2)), $((n * 2 + 1)) }; add element ip t i { $((n * 3))-$((n * 3 + 1)) }" || echo "elements $n: $?"
done
wait
nft list table ip t
