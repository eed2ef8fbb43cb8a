# A rule that adds to a set of the same file makes it one that packets fill, be it declared so or not.
t() { nft flush ruleset; nft "add table t; $1"; echo $?; nft list ruleset; }
t 'add set t s { type ipv4_addr; }; add chain t c; add rule t c add @s { ip saddr }'
t 'add set t s { type ipv4_addr; }; add chain t c; add rule t c add @s { ip saddr counter }'
t 'add set t s { type ipv4_addr; }; add chain t c; add rule t c add @s { ip saddr timeout 5s }'
t 'add set t s { type ipv4_addr; flags timeout; }; add chain t c; add rule t c add @s { ip saddr timeout 5s }'
t 'add map t s { type ipv4_addr : mark; }; add chain t c; add rule t c add @s { ip saddr : mark }'
t 'add set t s { type ipv4_addr; }; add chain t c; add rule t c delete @s { ip saddr }'
t 'add set t s { type ipv4_addr; size 5; }; add chain t c; add rule t c update @s { ip saddr counter }'
nft list ruleset
