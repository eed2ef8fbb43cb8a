# Rules come and go while an interactive run goes on; positions are those of now.
nft -i <<X
add table ip t
add chain ip t c
X
r list ruleset
( echo "add rule ip t c position 99 accept"; sleep 0.3; nft add rule ip t c counter; sleep 0.3; echo "insert rule ip t c index 0 drop"; echo "add rule ip t c index 1 accept" ) | nft -i
echo
r list ruleset
