# needs: /usr/libexec/sshguard/sshg-fw-nft-sets
# The nft backend of sshguard of Debian, unchanged: it is told on standard input what to block.
{
	printf 'block 192.0.2.1 4 32\nblock 198.51.100.0 4 24\nblock 2001:db8::7 6 128\nrelease 192.0.2.1 4 32\n'
	for i in $(seq 100); do
		[ "$(nft list ruleset | grep -c '198.51.100.0/24\|2001:db8::7')" = 2 ] &&
			! nft list ruleset | grep -q 192.0.2.1 && break
		sleep 0.1
	done
	nft list ruleset >blocked
	echo flush
	# It takes everything away and makes it anew.
	for i in $(seq 100); do
		! nft list ruleset | grep -q elements && [ "$(nft list ruleset | grep -c '@attackers drop')" = 2 ] && break
		sleep 0.1
	done
	nft list ruleset >flushed
} | /usr/libexec/sshguard/sshg-fw-nft-sets
cat blocked flushed
nft list ruleset
