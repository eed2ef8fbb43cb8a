# Rules before and behind others: by handle, by position and by index.
nft add table t
nft add chain t c
for p in 1 2 3; do nft add rule t c tcp dport $p; done
h=$(nft -a list chain t c | awk '/dport 2 /{ print $NF }')
nft add rule t c position $h tcp dport 20
nft insert rule t c position $h tcp dport 19
nft insert rule t c index 0 tcp dport 100
nft add rule t c index 1 tcp dport 101
nft replace rule t c handle $h tcp dport 222 counter
nft -f - <<X
add rule t c index 0 udp dport 6
add rule t c index 1 udp dport 7
insert rule t c index 3 udp dport 9
X
nft list chain t c
for c in 'add rule t c index 55 drop' 'insert rule t c index 55 drop' 'add rule t c position 5000 drop' \
	'insert rule t c handle 5000 drop' 'replace rule t c handle 5000 drop' 'delete rule t c handle 5000' \
	'replace rule t c drop'; do
	nft $c && echo "accepted: $c"
done
nft delete rule t c handle $h
nft list chain t c
