#!/bin/bash
# Everything that must hold before a change lands: format, lints, all tests.
#
#   ./test.sh            all of it
#   ./test.sh --quick    without the tests over all captures
#
# Some tests compare with other programs (tshark, nft) and, in network namespaces of their own, with the kernel. As root on Debian they are installed; elsewhere
# this says what is missing, and those tests say that they were skipped. With CI=true a skip is a failure.
#
# Property tests draw the same cases in every run, so that a failure is the change's. To look further, set PROPTEST_RNG_SEED to another number
# or PROPTEST_CASES to more cases.
set -euo pipefail
cd "$(dirname "$0")"

needed=(nft:nftables tshark:tshark conntrack:conntrack ip:iproute2 python3:python3 iptables-nft:iptables strace:strace man:man-db busybox:busybox-static tcpdump:tcpdump passt:passt)
# Programs that drive nft start as services when they are installed: only a machine that is there for tests gets them.
[ "${CI-}" = true ] && needed+=(fail2ban-server:fail2ban sshguard:sshguard zsh:zsh fish:fish)
missing=()
PATH=$PATH:/usr/sbin:/sbin
for pair in "${needed[@]}"; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
	else
		echo "test.sh: not installed: ${missing[*]} (the tests that need them are skipped)" >&2
	fi
fi

export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20}

quick=
[ "${1-}" = --quick ] && quick=1

step() {
	local started=$SECONDS
	echo "== $*"
	"$@"
	echo "== done in $((SECONDS - started)) s: $*"
}

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
if [ -n "$quick" ]; then
	step cargo test --workspace --locked --lib --bins
else
	step cargo test --workspace --locked --no-fail-fast
fi
echo "all passed in $SECONDS s"
