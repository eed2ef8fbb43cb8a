# Listings between changes, in interactive mode.
printf 'add table ip t\nadd chain ip t c\nadd rule ip t c counter\nlist table ip t\nadd rule ip t c drop\nlist table ip t\nflush chain ip t c\nlist ruleset\nquit\n' | nft -i
echo rc $?
r list ruleset
