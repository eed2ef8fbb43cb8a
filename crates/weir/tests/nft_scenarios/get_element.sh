# What `get element` finds, and in which order; what reaches out of an interval is not found.
nft add table t
nft add set t s '{ type inet_service; flags interval; }'
nft add element t s '{ 10, 20-30, 40, 50-60 }'
nft add set t h '{ type inet_service; }'
nft add element t h '{ 10, 20, 40, 50 }'
nft add set t c '{ type ipv4_addr . inet_service; flags interval; }'
nft add element t c '{ 10.0.0.1 . 22, 10.1.0.0/16 . 1-1024 }'
for e in 10 20 25 22-24 20-30 50-60 '40, 10' '22-24, 26-28' '55, 22-24, 10' \
	15 '10, 15' 5-12 15-18 19-30 20-31 25-35 25-55 10-40 10-60 60-70 31-39; do
	echo "== $e"
	nft get element t s "{ $e }" && echo found
done
for e in '40, 10' 15; do
	nft get element t h "{ $e }" && echo found
done
for e in '10.1.3.4 . 80' '10.0.0.1 . 22' '10.9.9.9 . 22' '10.1.0.0/16 . 1-1024'; do
	nft get element t c "{ $e }" && echo found
done
