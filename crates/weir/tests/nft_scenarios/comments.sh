# Comments of everything, prefixes of log; how long they may be.
r add table test; r add chain test test; r add rule test test tcp dport 22 counter accept comment "test_comment"
r add rule test test drop comment '"a b"'
r add rule test test drop comment $(printf 'x%.0s' $(seq 1 128))
r add rule test test drop comment $(printf 'x%.0s' $(seq 1 127))
r -a list table test; r -a list chain test test | cat
r add set test s '{ type mark; comment "set c"; }'; r add chain test cc '{ comment "chain c"; }'; r add table test2 '{ comment "tab c"; }'; r add counter test cn '{ packets 1 bytes 2; comment "cnt"; }'; r add map test mm '{ type mark : mark; comment "m"; elements = { 1 comment "el" : 2 }; }'
r add table test2 '{ comment "other"; }'
r add counter test cn '{ packets 1 bytes 2; comment "other"; comment "x"; }'
r list ruleset; r -a list ruleset
r add rule test test log prefix '"hello $x"'
r add rule test test log prefix $(printf 'y%.0s' $(seq 1 127))
r add rule test test log prefix $(printf 'y%.0s' $(seq 1 128))
r add rule test test log prefix '"a*b? \" "' level info flags all group 2
r add rule test test log level info flags all
r add rule test test log group 2 snaplen 5 queue-threshold 5 prefix '"x"'
r list ruleset
r delete rule test test; r delete rule test test handle; r delete rule test test handle 9999; r delete rule test test handle xx; r delete rule test nope handle 2
