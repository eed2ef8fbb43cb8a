# Every kind of error in a text leaves the ruleset as it was.
f <<X
table ip t { set t { type ipv4_addr; elements = { 1.1.1.1 }
}
map m { type mark : verdict; elements = { 1 : jump other }
}
chain c { ip saddr @t drop
}
chain other { counter
} }
X
nft -s list ruleset > before
for bad in "add rule ip t nochain accept" "add element ip t t { 1.1.1.1, nope. }" "flush ruleset; add rule x y z" "delete chain ip t other" "delete set ip t t" "add chain ip t c { type filter hook input priority 0; }" "add table ip n; add chain ip n y { type filter hook input priority 0; }; add rule ip n y jump x" "flush table t; delete chain ip t other; " "flush ruleset
table ip t { chain c { jump missing
} }" "delete table t
add table t
add set t t { type ipv4_addr; elements = { 2.2.2.2 }; }
add rule t c ip saddr @t" "flush set t t
add element t t { 9.9.9.9 }
add element t tt { 9.9.9.9 }" "delete map t m
delete chain t other
delete chain t c
delete set t t
delete set t m"; do printf '%s\n' "$bad" | nft -f -; echo "rc=$?"; nft -s list ruleset | diff before - && echo unchanged; done
