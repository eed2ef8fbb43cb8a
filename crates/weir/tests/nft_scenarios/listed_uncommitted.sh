# What a file makes has no handles yet where the file lists it; nothing of a check or of a refused file is there after.
nft -f - <<X
table ip old {
	set s { type inet_service; flags interval; elements = { 1-5 }
	}
	chain c { tcp dport 1 accept
	}
}
X
nft -c -a -f - <<X
add table ip n
add chain ip n c
list table ip n
X
nft list tables
nft -f - <<X
add element ip old s { 10-20 }
list set ip old s
create chain ip old c
X
echo $?
nft -f - <<X
add table ip n
list table ip n
list table ip gone
X
echo $?
nft -f - <<X
delete table ip old
list ruleset
X
nft list ruleset
