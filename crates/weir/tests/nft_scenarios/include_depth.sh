# Sixteen files may be open, and any number one after another.
for i in $(seq 1 14); do echo "include \"./f$((i+1))\"" > f$i; done; echo 'add table x' > f15; r -f f1; r list ruleset;
for i in $(seq 15 16); do echo "include \"./f$((i+1))\"" > f$i; done; echo 'add table x2' > f17; nft -f f1 2>/dev/null; echo $?; nft -f f2  2>/dev/null; echo $?; nft -f f3 2>/dev/null; echo $?
r list ruleset
mkdir d; for i in $(seq 1 40); do echo "add table t$i" > d/$i; done
f <<< "include \"$PWD/d/*\""
r list tables
