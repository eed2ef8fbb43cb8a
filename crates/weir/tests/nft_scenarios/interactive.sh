# Definitions stay from line to line; a line that is wrong does not end the session.
printf '%s\n' 'add table inet foo' 'add chain inet foo bar' 'define port = 22' 'add rule inet foo bar accept' \
	'frobnicate' 'insert rule inet foo bar index 0 tcp dport $port' 'add rule inet foo \' 'bar drop' \
	'quit' 'add table never' | nft -i >/dev/null
echo "exit $?"
nft list ruleset
