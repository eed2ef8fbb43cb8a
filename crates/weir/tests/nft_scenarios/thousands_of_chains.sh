# Thousands of chains, jumped to from one.
{ echo 'add table x'; for i in $(seq 1 3000); do echo "add chain x c$i"; done;  for i in $(seq 2 3000); do echo "add rule x c1 tcp dport $i jump c$i"; done; } > a; r -f a; nft list ruleset | md5sum; for i in $(seq 1 3000); do echo "flush chain x c$i"; done > b; for i in $(seq 1 3000); do echo "delete chain x c$i"; done >> b; r -f b; r list ruleset
