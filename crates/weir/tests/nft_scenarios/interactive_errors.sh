# Interactive runs go on after errors; blocks over lines; ends without quit.
printf 'define X = 5;\nadd table t\nadd chain t c\nadd rule t c meta mark $X\nlist ruleset\nadd rule t c nope\nadd rule t c drop\nlist chain t c\nquit\n' | nft -i; echo $?
printf 'add set t s { type ipv4_addr; }\nadd element t s {1.1.1.1}\nadd element t s {1.1.1.2}\nlist set t s\ndelete element t s {1.1.1.1}\nlist set t s\n' | nft -i; echo $?
printf 'add rule t c index 0 accept\ninsert rule t c index 0 counter\nlist chain t c\n' | nft -i; echo $?
printf 'create table t\nlist tables\n\n\n  \nexit\n' | nft -i; echo $?
printf 'table t {\nchain multi {\naccept\n}\n}\nlist ruleset' | nft -i; echo $?
nft -i -f /dev/null </dev/null; echo $?
nft -i </dev/null; echo $?
