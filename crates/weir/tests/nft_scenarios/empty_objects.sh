# Objects whose braces hold nothing.
for kind in counter quota synproxy; do
	f <<X
table ip t { $kind x { } }
X
done
f <<X
table ip t { quota y { comment "no bytes" } }
X
r list ruleset
r -j list quotas | sed "s/.*\"version\"[^}]*}}, //"
nft add chain ip t c '{ type filter hook input priority 0; }'
r add rule ip t c quota name '"x"' drop
r list ruleset
