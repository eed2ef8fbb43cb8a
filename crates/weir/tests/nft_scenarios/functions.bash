# For every scenario: runs nft and tells what with and how it ended; a text from standard input, with each block that
# ends in a line on lines of its own, as nft 1.0.6 wants it.
r() {
	echo "\$ nft $*"
	nft "$@"
	echo "rc=$?"
}
f() {
	echo '$ nft -f -'
	sed -E -e ':a' -e 's/\} *(set|map|chain|counter|quota|limit|ct|synproxy|flowtable|secmark|table) ([a-z]|[0-9a-z_]+ \{)/}\n\1 \2/;ta' \
		-e 's/\} \}/}\n}/g;s/\} \}/}\n}/g' | nft -f -
	echo "rc=$?"
}
