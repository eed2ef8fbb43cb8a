# Braces without elements are an error of grammar, but for a definition; a rule is not created; what is refused so takes
# no handle.
nft add table t
nft add chain t c
nft add set t s '{ type inet_service; }'
nft add map t m '{ type inet_service : verdict; }'
for v in add create delete get; do
	r $v element t s '{ }'
done
r add element t m '{ }'
r add rule t c tcp dport '{ }' accept
r add rule t c tcp dport vmap '{ }'
r add set t e '{ type inet_service; elements = { }; }'
r create rule t c accept
r create rule ip t c tcp dport 1 accept
f <<X
add rule t c tcp dport 1
add element t s { }
X
f <<X
add rule t c tcp dport 1
add rule t c index 5 tcp dport 2
X
f <<X
define none = { }
define some = { 5, 6 }
add element t s { \$none, 3 }
add element t s { \$none, \$some }
X
f <<X
define none = { }
add rule t c tcp dport \$none accept
X
r add rule t c tcp dport 4
r -a list ruleset
