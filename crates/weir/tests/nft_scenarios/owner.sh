# A table with an owner belongs to the connection that made it, and goes with it.
mkfifo commands
nft -i <commands >/dev/null &
exec 5>commands
echo 'add table ip t { flags owner; }' >&5
for i in $(seq 100); do nft list table ip t >/dev/null 2>&1 && break; sleep 0.1; done
nft delete table ip t && echo deleted
nft add chain ip t c && echo added
nft flush ruleset; nft list tables
echo 'add chain ip t mine' >&5
for i in $(seq 100); do nft list chain ip t mine >/dev/null 2>&1 && break; sleep 0.1; done
nft list chain ip t mine | grep chain
exec 5>&-
wait
for i in $(seq 100); do nft list table ip t >/dev/null 2>&1 || break; sleep 0.1; done
nft list tables
