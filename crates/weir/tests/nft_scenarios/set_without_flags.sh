# What a set without flags does not hold.
r add table ip t; r add set ip t s '{ type ipv4_addr; }'
r add element ip t s '{ 192.168.0.0/24 }'; r add element t s '{ 1.1.1.1-1.1.1.3 }'; r add element t s '{ * }'; r add element t s '{ 1.1.1.1 timeout 5s }'; r add set t s2 '{ type ipv4_addr; elements = { 1.1.1.0/24 }; }'; r list ruleset
