# What is created must not be there; what is added may be, with the same hook.
r create table ip x
r add chain ip x y
r create chain ip x y
r create chain ip x z
r create table ip x
r create chain ip nope z
r create chain ip x b '{ type filter hook input priority 0; policy drop; }'
r create chain ip x b '{ type filter hook input priority 0; policy drop; }'
r add chain ip x b '{ type filter hook input priority 0; policy accept; }'
r add chain ip x b '{ policy drop; }'
r add chain ip x z '{ policy drop; }'
r add chain ip x b
r list ruleset
