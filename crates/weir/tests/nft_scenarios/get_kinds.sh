# `get element` of every kind of set: the element as it is stored, or nothing. Of intervals with timeouts or data nft 1.0.6
# forgets both, of catch-alls it crashes: they are not here.
nft -f - <<X
table ip t {
	set plain { type inet_service; elements = { 10, 20, 30 }
	}
	set addr { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 192.0.2.8-192.0.2.20, 255.255.255.255, 0.0.0.0/16 }
	}
	set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 22, 10.0.0.2 . 80 }
	}
	set ranges { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.1 . 22, 10.1.0.0/16 . 1-1024, 10.2.0.1-10.2.0.9 . 80 }
	}
	set timed { type ipv4_addr; flags timeout; timeout 1h; elements = { 10.0.0.1, 10.0.0.2 timeout 2h, 10.0.0.3 timeout 3h comment "three" }
	}
	set star { type inet_service; elements = { 1, * }
	}
	set names { type ifname; elements = { "lo", "eth0" }
	}
	set marks { type mark; elements = { 0x10, 17 }
	}
	set macs { type ether_addr; elements = { 00:11:22:33:44:55 }
	}
	map values { type inet_service : ipv4_addr; elements = { 10 : 10.0.0.1, 20 : 10.0.0.2 }
	}
	map verdicts { type ipv4_addr : verdict; elements = { 10.0.0.1 : accept, 10.0.0.2 : drop }
	}
	map of_pairs { type ipv4_addr . inet_service : mark; elements = { 10.0.0.1 . 22 : 0x5 }
	}
	counter k1 { packets 1 bytes 2
	}
	map objects { type ipv4_addr : counter; elements = { 10.0.0.1 : "k1" }
	}
}
table ip6 t {
	set addr { type ipv6_addr; flags interval; elements = { 2001:db8::/32, fe80::1, ::-::ffff }
	}
}
X
g() {
	local set=$1
	shift
	for e in "$@"; do
		echo "== $set { $e }"
		nft get element $set "{ $e }" | sed -E 's/expires [0-9hms]+/expires X/'
		echo "${PIPESTATUS[0]}"
	done
}
g 'ip t plain' 10 99 '10, 20' '20, 10' '10, 99' '10-20' ssh 0x14 65536 abc '10 : 5' '10 comment "x"' 10.0.0.1
g 'ip t addr' 10.1.2.3 10.0.0.0/8 10.0.0.0/9 10.0.0.0/7 192.0.2.1 192.0.2.9 192.0.2.8-192.0.2.20 192.0.2.8/30 \
	255.255.255.255 0.0.0.0 0.0.0.0/16 0.0.1.0/24 11.0.0.1 '10.1.1.1, 192.0.2.1'
g 'ip t pairs' '10.0.0.1 . 22' '10.0.0.1 . 80' '10.0.0.1 . 22, 10.0.0.2 . 80' 10.0.0.1 '10.0.0.0/8 . 22'
g 'ip t ranges' '10.0.0.1 . 22' '10.1.3.4 . 80' '10.1.0.0/16 . 1-1024' '10.2.0.5 . 80' '10.2.0.1-10.2.0.9 . 80' '10.2.0.5 . 81'
g 'ip t timed' 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.9
g 'ip t star' 1 7
g 'ip t names' lo '"lo"' eth1 '"eth*"'
g 'ip t marks' 16 0x11 17 5
g 'ip t macs' 00:11:22:33:44:55 00:11:22:33:44:56
g 'ip t values' 10 20 30 '10 : 10.0.0.1' '10 : 10.0.0.9'
g 'ip t verdicts' 10.0.0.1 10.0.0.2 '10.0.0.1 : accept' '10.0.0.1 : drop' 10.0.0.3
g 'ip t of_pairs' '10.0.0.1 . 22' '10.0.0.1 . 23' '10.0.0.1 . 22 : 5'
g 'ip t objects' 10.0.0.1 '10.0.0.1 : "k1"' 10.0.0.2
g 'ip6 t addr' 2001:db8::5 2001:db8::/32 fe80::1 :: ::5 fe80::2 '2001:db8::5, fe80::1'
g 'ip t nothere' 1
g 'ip nothere plain' 1
g 't plain' 1
g 'inet t plain' 1
