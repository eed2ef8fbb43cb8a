# Options that print numbers, names or hours of a time zone.
f <<X
table inet t { chain c { tcp dport ssh ip protocol icmp accept; meta skuid root accept; ct state established; ip dscp cs1; meta priority 1:2; meta day "Monday"; icmp type echo-request; meta hour "10:00"-"11:00"; log level crit; log level debug; ether type ip; meta mark 0x1 ct mark 3; rt classid 1; ct label 3; tcp flags syn,ack; meta l4proto { tcp, 132 }; ct direction original; fib saddr type local; reject; reject with tcp reset; queue num 1; meta protocol ip6; iif lo; iifgroup default; meta rtclassid 1;}}
X
for o in "" -n -nn -nnn -S -N -u -y -p -T -Sn -j -jn -jS; do r $o list ruleset | grep -v version; done
TZ=UTC-2 nft list ruleset; TZ=America/New_York nft list ruleset
