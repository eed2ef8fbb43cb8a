# Intervals that meet others in every way: refused, or taken, and what is there then. The kernel alone takes some that
# overlap: those that share their end with another one, and those that reach to the greatest key.
show() { nft list ruleset | tr -s ' \t\n' ' '; echo; }
try() { # declaration, first command, second command
	nft flush ruleset
	printf 'table ip t {\n%s\n}\n' "$1" | nft -f -
	nft "$2"
	nft "$3"
	echo "$? $3"
	show
}
plain='set s { type inet_service; flags interval
}'
map='map s { type ipv4_addr : mark; flags interval
}'
for i in 50-99 50-100 50-150 150-250 200-250 201-250 120-180 100-150 150-200 50-250 100-250 50-200 100 200 150 99 201; do
	try "$plain" 'add element ip t s { 100-200 }' "add element ip t s { $i }"
done
for i in 65535 65525-65535 65500-65535 65500-65524 0-65535 1-65535 0; do
	try "$plain" 'add element ip t s { 65525-65535 }' "add element ip t s { $i }"
	try "$plain" 'add element ip t s { 0 }' "delete element ip t s { $i }"
done
for i in 100-200 150-200 50-200 201-250; do
	for data in 1 2; do
		to() { sed 's/\([0-9]*\)-\([0-9]*\)/10.0.0.\1-10.0.0.\2/' <<<"$1"; }
		try "$map" 'add element ip t s { 10.0.0.100-10.0.0.200 : 1 }' "add element ip t s { $(to $i) : $data }"
	done
done
# The same command again changes nothing; a file that adds twice what overlaps is refused whole.
try "$plain" 'add element ip t s { 100-200, 300-65535 }' 'add element ip t s { 100-200, 300-65535 }'
nft -f - <<X && echo applied
add element ip t s { 210-220 }
add element ip t s { 215-220 }
X
show
# What is emptied in the same file is not in the way.
for merge in '' 'auto-merge'; do
	for i in 100-250 150 201-250 100-200; do
		nft flush ruleset
		printf 'table ip t {\nset s {\ntype inet_service\nflags interval\n%s\n}\n}\nadd element ip t s { 100-200, 65500-65535 }\n' "$merge" | nft -f -
		printf 'flush set ip t s\nadd element ip t s { %s, 65501-65535 }\n' "$i" | nft -f -
		echo $?
		show
	done
done
