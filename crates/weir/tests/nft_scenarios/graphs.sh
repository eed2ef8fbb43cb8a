# Graphs of chains that are too deep, or in the wrong hook.
f <<X
table ip t {
$(for i in $(seq 0 15); do echo "chain c$i { "; [ $i = 0 ] && echo 'type filter hook input priority 0'; [ $i -lt 15 ] && echo "jump c$((i+1))"; echo '}'; done)
}
X
r list table t
r flush ruleset
f <<X
table ip t {
$(for i in $(seq 0 17); do echo "chain c$i { "; [ $i = 0 ] && echo 'type filter hook input priority 0'; [ $i -lt 17 ] && echo "jump c$((i+1))"; echo '}'; done)
}
X
nft list ruleset | wc -l
f <<X
table ip t { map m { type mark : verdict
}
chain a { meta mark vmap @m
}
chain b { jump a
}
chain base { type filter hook input priority 0; jump b
}
}
X
r add element t m '{ 1 : jump b }'; r add element t m '{ 1 : jump a }'; r add element t m '{ 1 : goto base }';  r add rule t a jump a; r add chain t n '{ type nat hook output priority 0; }'; r add chain t z; r add rule t z redirect; r add rule t n jump z; r add rule t b jump z; r add element t m '{ 2 : jump z }'; r list ruleset
