#!/bin/bash
# Records trace.pcapng of the examples anew, from real programs in network namespaces:
#
#   ./record.sh [http-offload-router|accounting|home-gateway|server]...      (root; none = all)
#
# Routers:   inside ns (lan) ---- router ns ---- outside ns (wan)
# server:    outside ns      ---- server ns
#
# The router (or server) namespace runs the example's own rules.nft in the kernel while the capture is
# made, so that what the peers do next is what they would do behind that firewall; afterwards the kernel's
# listing is kept as kernel.nft, which the tests compare with. Where the running kernel lacks flowtables
# those lines are left out.
#
# A router's capture holds the packets that arrive on its interfaces, and those which it sends itself, as far
# as they can be told from forwarded ones (they take the output path in a replay); the server's holds both
# directions.
#
# Needs: iproute2 nftables tshark ethtool curl dnsmasq-base dnsutils openssh-server openssh-client
#        vsftpd iputils-ping iperf3 nmap python3
set -euo pipefail
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "record.sh: must be root (network namespaces, capturing)" >&2; exit 1; }
for program in ip nft dumpcap ethtool curl dnsmasq dig sshd ssh vsftpd ping iperf3 nmap python3; do
	command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin
	command -v "$program" >/dev/null || { echo "record.sh: $program is missing" >&2; exit 1; }
done

IN=iwrec-in ROUTER=iwrec-router OUT=iwrec-out
WORK=$(mktemp -d)
chmod 755 "$WORK"
pids=()

cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for ns in $IN $ROUTER $OUT; do
		if ip netns pids $ns >/dev/null 2>&1; then
			ip netns pids $ns | xargs -r kill 2>/dev/null || true
			ip netns del $ns
		fi
	done
	pids=()
}
trap 'cleanup; rm -rf "$WORK"' EXIT

# Runs a program in a namespace; `background` keeps it until cleanup.
inside() { ip netns exec $IN "$@"; }
outside() { ip netns exec $OUT "$@"; }
background() {
	local ns=$1
	shift
	ip netns exec "$ns" "$@" >"$WORK/background.log" 2>&1 &
	pids+=($!)
}

namespace() {
	ip netns add "$1"
	ip netns exec "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0 \
		net.ipv6.conf.default.accept_ra=0
	ip -n "$1" link set lo up
}

# cable NS_A NAME_A MAC_A  NS_B NAME_B MAC_B: a veth pair without offloads, so that what is captured has
# the checksums and sizes of a real wire.
cable() {
	ip link add name "$2" netns "$1" address "$3" type veth peer name "$5" netns "$4" address "$6"
	for end in "$1 $2" "$4 $5"; do
		set -- $end
		ip netns exec "$1" ethtool -K "$2" tx off gso off tso off gro off >/dev/null 2>&1
		# And TCP shall not hand several segments at once to the output path, which would count one packet.
		ip -n "$1" link set "$2" gso_max_segs 1
		ip -n "$1" link set "$2" up
	done
}

# The three namespaces of a router example: router_topology LAN_NAME WAN_NAME.
router_topology() {
	local lan=$1 wan=$2
	namespace $IN
	namespace $ROUTER
	namespace $OUT
	cable $IN eth0 02:00:00:00:01:10 $ROUTER "$lan" 02:00:00:00:01:01
	cable $OUT eth0 02:00:00:00:02:02 $ROUTER "$wan" 02:00:00:00:02:01
	for host in 10 11 12 13 20; do ip -n $IN addr add 192.168.1.$host/24 dev eth0; done
	ip -n $IN addr add 2001:db8:1::10/64 dev eth0
	ip -n $ROUTER addr add 192.168.1.1/24 dev "$lan"
	ip -n $ROUTER addr add 2001:db8:1::1/64 dev "$lan"
	ip -n $ROUTER addr add 198.51.100.2/24 dev "$wan"
	ip -n $ROUTER addr add 2001:db8:2::2/64 dev "$wan"
	ip -n $OUT addr add 198.51.100.1/24 dev eth0
	ip -n $OUT addr add 203.0.113.10/32 dev lo
	ip -n $OUT addr add 203.0.113.53/32 dev lo
	ip -n $OUT addr add 2001:db8:2::1/64 dev eth0
	ip -n $OUT addr add 2001:db8:80::10/128 dev lo
	ip -n $IN route add default via 192.168.1.1
	ip -n $IN -6 route add default via 2001:db8:1::1
	ip -n $ROUTER route add default via 198.51.100.1
	ip -n $ROUTER -6 route add default via 2001:db8:2::1
	ip netns exec $ROUTER sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# Only where no address is translated do the hosts outside know the way to the private network.
routes_back() {
	ip -n $OUT route add 192.168.1.0/24 via 198.51.100.2
	ip -n $OUT -6 route add 2001:db8:1::/64 via 2001:db8:2::2
}

web_server() { # NS PORT
	mkdir -p "$WORK/www"
	head -c 400 /dev/urandom | base64 >"$WORK/www/index.html"
	head -c 24000 /dev/urandom >"$WORK/www/page.bin"
	head -c 48000 /dev/urandom >"$WORK/www/large.bin"
	background "$1" python3 -m http.server --bind :: --directory "$WORK/www" "$2"
}

dns_server() { # NS
	background "$1" dnsmasq --no-daemon --no-resolv --no-hosts --no-dhcp-interface=* --user=root --pid-file= \
		--address=/example.test/203.0.113.10 --address=/example.test/2001:db8:80::10
}

ssh_server() { # NS
	mkdir -p /run/sshd "$WORK/ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/ssh/host"
	ssh-keygen -q -t ed25519 -N '' -f "$WORK/ssh/user"
	cp "$WORK/ssh/user.pub" "$WORK/ssh/authorized_keys"
	background "$1" "$(command -v sshd)" -D -e -f /dev/null -h "$WORK/ssh/host" -o StrictModes=no \
		-o AuthorizedKeysFile="$WORK/ssh/authorized_keys" -o PidFile=none -o UsePAM=no -o PermitRootLogin=yes
}
ssh_to() { # ADDRESS COMMAND... (prefix with inside/outside)
	ssh -q -i "$WORK/ssh/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3 root@"$@"
}

ftp_server() { # NS
	mkdir -p "$WORK/ftp" "$WORK/empty"
	head -c 6000 /dev/urandom >"$WORK/ftp/report.txt"
	chmod 644 "$WORK/ftp/report.txt"
	chmod 555 "$WORK/ftp"
	cat >"$WORK/vsftpd.conf" <<CONF
listen=YES
anonymous_enable=YES
anon_root=$WORK/ftp
secure_chroot_dir=$WORK/empty
background=NO
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
CONF
	background "$1" vsftpd "$WORK/vsftpd.conf"
}

# load_rules EXAMPLE: the example's rules into the router namespace, as far as this kernel knows them.
load_rules() {
	if ! ip netns exec $ROUTER nft -f "$1/rules.nft" 2>/dev/null; then
		sed '/^\tflowtable /,/^\t}/d; / flow add /d' "$1/rules.nft" >"$WORK/rules.nft"
		ip netns exec $ROUTER nft -f "$WORK/rules.nft"
		echo "$1: loaded without its flowtable"
	fi
}

# capture OUTPUT KEEP INTERFACE...: KEEP is the display filter of what the file shall hold.
# Filtered afterwards, since a capture filter `inbound` loses the first packets: libpcap applies it itself
# to what is in the ring already, and there the direction is not known.
capture() {
	capture_output=$1 capture_keep=$2
	shift 2
	local args=()
	for interface in "$@"; do args+=(-i "$interface"); done
	ip netns exec $ROUTER dumpcap -q -s 0 -w "$WORK/raw.pcapng" "${args[@]}" >"$WORK/dumpcap.log" 2>&1 &
	capture_pid=$!
	sleep 2
}

# Ends the capture, puts its packets in the order of their timestamps and keeps the kernel's counters.
finish() { # EXAMPLE
	sleep 1
	kill -INT $capture_pid
	wait $capture_pid || true
	# Expiry times differ from run to run and are of no use to a reader.
	ip netns exec $ROUTER nft list ruleset | sed -E 's/ expires [0-9a-z]+//g' >"$1/kernel.nft"
	reordercap "$WORK/raw.pcapng" "$WORK/ordered.pcapng" >/dev/null
	tshark -r "$WORK/ordered.pcapng" -Y "$capture_keep" -w "$capture_output" 2>/dev/null
	cleanup
	ls -l "$capture_output"
}

# What arrives at a router, and what it sends into the LAN by itself.
# On the WAN that is told from forwarded packets with the router's address only for its answers to pings.
ROUTER_KEEP='eth.src == 02:00:00:00:01:10 || eth.src == 02:00:00:00:02:02 ||
	(eth.src == 02:00:00:00:01:01 && (arp || ip.src#1 == 192.168.1.1 || ipv6.src#1 == 2001:db8:1::1)) ||
	(eth.src == 02:00:00:00:02:01 && icmp.type == 0 && ip.src#1 == 198.51.100.2)'

record_http-offload-router() {
	router_topology eth0 eth1
	routes_back
	web_server $OUT 80
	ssh_server $OUT
	dns_server $OUT
	load_rules http-offload-router
	sleep 1
	capture http-offload-router/trace.pcapng "$ROUTER_KEEP" eth0 eth1
	inside ping -q -c 2 -i 0.3 203.0.113.10
	inside dig +short @203.0.113.53 example.test
	inside curl -sS -o /dev/null http://203.0.113.10/large.bin
	inside curl -sS -o /dev/null "http://[2001:db8:80::10]/page.bin"
	inside curl -sS -o /dev/null http://203.0.113.10/index.html
	ip netns exec $IN bash -c "$(declare -f ssh_to); WORK=$WORK; ssh_to 203.0.113.10 uname"
	outside curl -sS -o /dev/null --max-time 2 http://192.168.1.10/ || echo "refused, as it should be"
	outside ping -q -c 3 -i 0.3 192.168.1.10
	finish http-offload-router
}

record_accounting() {
	router_topology lan0 wan0
	routes_back
	web_server $OUT 80
	dns_server $OUT
	ssh_server $OUT
	ftp_server $OUT
	background $OUT iperf3 -s
	load_rules accounting
	sleep 1
	capture accounting/trace.pcapng "$ROUTER_KEEP" lan0 wan0
	inside dig +short -b 192.168.1.10 @203.0.113.53 example.test
	inside curl -sS -o /dev/null --interface 192.168.1.10 http://203.0.113.10/page.bin
	inside curl -sS -o /dev/null --interface 192.168.1.10 ftp://203.0.113.10/report.txt
	ip netns exec $IN bash -c "$(declare -f ssh_to); WORK=$WORK; ssh_to 203.0.113.10 -b 192.168.1.10 uname"
	echo "bob: 24 kB pass, 48 kB use up his 60 kB"
	inside curl -sS -o /dev/null --interface 192.168.1.11 http://203.0.113.10/page.bin
	inside curl -sS -o /dev/null --interface 192.168.1.11 --max-time 2 http://203.0.113.10/large.bin || true
	inside ping -q -c 2 -i 0.3 -I 192.168.1.11 203.0.113.10 || true
	echo "carol: iperf3 beyond the guests' 20 kB"
	timeout 3 ip netns exec $IN iperf3 -c 203.0.113.10 -B 192.168.1.12 -n 30K -b 2M -l 1200 >/dev/null || true
	echo "a host without an account: 5 kB"
	inside ping -q -c 8 -i 0.2 -s 1000 -I 192.168.1.13 203.0.113.10 || true
	inside ping -q -c 1 2001:db8:80::10
	finish accounting
}

record_home-gateway() {
	router_topology lan0 wan0
	web_server $OUT 80
	web_server $IN 80
	dns_server $OUT
	dns_server $ROUTER
	ssh_server $OUT
	ftp_server $OUT
	load_rules home-gateway
	# A spoofed source, for the bogon rule: the outside can also send from a private address.
	ip -n $OUT addr add 10.66.66.66/32 dev lo
	sleep 1
	capture home-gateway/trace.pcapng "$ROUTER_KEEP" lan0 wan0
	inside dig +short -b 192.168.1.10 @192.168.1.1 example.test
	inside dig +short -b 192.168.1.10 @203.0.113.53 example.test
	inside ping -q -c 2 -i 0.3 -I 192.168.1.10 192.168.1.1
	inside ping -q -c 2 -i 0.3 -I 192.168.1.11 203.0.113.10
	inside curl -sS -o /dev/null --interface 192.168.1.10 http://203.0.113.10/page.bin
	inside curl -sS -o /dev/null --interface 192.168.1.11 ftp://203.0.113.10/report.txt
	ip netns exec $IN bash -c "$(declare -f ssh_to); WORK=$WORK; ssh_to 203.0.113.10 -b 192.168.1.11 uname"
	# A closed port answers with an ICMP error, which belongs to the translated flow.
	inside dig +tries=1 +timeout=1 -b 192.168.1.10 -p 5353 @203.0.113.10 example.test || true
	inside curl -sS --interface 192.168.1.10 --max-time 1 smtp://203.0.113.10 || true
	inside curl -sS --interface 192.168.1.10 --max-time 1 http://192.168.1.1:81/ || true
	outside curl -sS -o /dev/null --interface 203.0.113.10 http://198.51.100.2:8080/index.html
	outside curl -sS -o /dev/null http://198.51.100.2/page.bin
	outside curl -sS --max-time 1 http://198.51.100.2:22/ || true
	outside ping -q -c 3 -i 0.2 198.51.100.2
	outside ping -q -c 2 -i 0.2 -W 1 -I 10.66.66.66 198.51.100.2 || true
	finish home-gateway
}

record_server() {
	namespace $OUT
	namespace $ROUTER
	cable $OUT eth0 02:00:00:00:02:02 $ROUTER eth0 02:00:00:00:02:50
	ip -n $ROUTER addr add 198.51.100.80/24 dev eth0
	ip -n $ROUTER addr add 2001:db8:2::80/64 dev eth0
	ip -n $OUT addr add 198.51.100.1/24 dev eth0
	ip -n $OUT addr add 2001:db8:2::1/64 dev eth0
	for host in 7 13 66 67; do ip -n $OUT addr add 198.51.100.$host/24 dev eth0; done
	web_server $ROUTER 80
	ssh_server $ROUTER
	dns_server $ROUTER
	load_rules server
	sleep 1
	capture server/trace.pcapng frame eth0
	outside curl -sS -o /dev/null --interface 198.51.100.7 http://198.51.100.80/page.bin
	outside curl -sS -o /dev/null "http://[2001:db8:2::80]/index.html"
	outside dig +short -b 198.51.100.7 @198.51.100.80 example.test
	ip netns exec $OUT bash -c "$(declare -f ssh_to); WORK=$WORK; ssh_to 198.51.100.80 -b 198.51.100.7 uname"
	outside ping -q -c 3 -i 0.2 -I 198.51.100.7 198.51.100.80
	outside ping -q -c 20 -i 0.002 -W 1 -I 198.51.100.13 198.51.100.80 || true
	echo "refused politely: a closed TCP and a closed UDP port"
	outside curl -sS --interface 198.51.100.13 --max-time 1 http://198.51.100.80:81/ || true
	outside dig +tries=1 +timeout=1 -b 198.51.100.13 -p 5353 @198.51.100.80 example.test || true
	echo "packets without a connection"
	outside nmap -n -Pn -S 198.51.100.13 -e eth0 -sX -p 80,81,82 --max-retries 0 198.51.100.80 >/dev/null
	echo "a SYN scan, and whoever touches a trap"
	outside nmap -n -Pn -S 198.51.100.66 -e eth0 -sS -p 1000-1099 --max-retries 0 --min-rate 400 198.51.100.80 >/dev/null
	outside curl -sS --interface 198.51.100.67 --max-time 1 http://198.51.100.80:23/ || true
	outside curl -sS --interface 198.51.100.67 --max-time 1 http://198.51.100.80/ || true
	echo "ssh knocked at too often"
	for _ in 1 2 3 4; do
		outside curl -sS --interface 198.51.100.7 --max-time 1 telnet://198.51.100.80:22 </dev/null || true
	done
	finish server
}

[ $# -gt 0 ] || set -- http-offload-router accounting home-gateway server
for example in "$@"; do
	echo "== $example"
	"record_$example"
done
