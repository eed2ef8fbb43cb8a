# Maps to counters and quotas.
f <<X
table inet x {
	counter user123 { packets 12 bytes 1433 }
	counter user321 { packets 12 bytes 1433 }
	quota user123 { over 2000 bytes }
	quota user124 { over 2000 bytes }
	map test { type ipv4_addr : counter
	elements = { 1.1.1.1 : "user123", 2.2.2.2 : user321 } }
	map qt { type ipv4_addr : quota; flags interval; elements = { 192.168.2.0/24 : "user124" }
	}
	set y { type ipv4_addr
	}
	chain c { type filter hook input priority 0
	counter name ip saddr map { 1.1.1.1 : "user123", 5.5.5.5 : "user321" }
	quota name ip saddr map @qt drop
	counter name ip saddr map @test
	limit name "nope"
	}
}
X
f <<X
table inet x {
	counter user123 { packets 12 bytes 1433
	}
	quota user124 { over 2000 bytes
	}
	map test { type ipv4_addr : counter
	elements = { 1.1.1.1 : "user123" }
	}
	map qt { type ipv4_addr : quota; flags interval; elements = { 192.168.2.0/24 : "user124" }
	}
	chain c { type filter hook input priority 0
	counter name ip saddr map { 1.1.1.1 : "user123", 5.5.5.5 : "user123" }
	quota name ip saddr map @qt drop
	counter name ip saddr map @test
	counter name "user123"
	}
}
X
r list ruleset
r add element inet x test '{ 3.3.3.3 : "nope" }'
r add element inet x test '{ 3.3.3.3 : "user124" }'
r add element inet x qt '{ 192.168.2.1 : "user124" }'
r delete counter inet x user123
r delete element inet x test '{ 1.1.1.1 }'
r flush chain inet x c
r flush map inet x qt
r delete quota inet x user124
r delete map inet x test
r delete counter inet x user123
r add map inet x fail '{ type ipv4_addr : nope; }'
r add map inet x fail '{ type nope : mark; }'
r add map inet x fail '{ type ipv4_addr; }'
r add map inet x fail '{ type ipv4_addr : verdict; flags constant,interval,timeout; timeout 1h; }'
r add map inet x big '{ type ipv4_addr : verdict; size 2; }'
r add element inet x big '{ 1.1.1.1 : drop, 1.1.1.2 : drop, 1.1.1.3 : drop }'
r list ruleset
