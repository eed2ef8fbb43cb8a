#!/bin/bash
# A virtual machine whose only network is a socket of `weir run`, in a network namespace of its own: nothing of this
# machine's network is touched.
#
#   run.sh               QEMU plays the machine
#   run.sh --dgram       as before, over a datagram socket
#   run.sh --namespace   a network namespace plays it: no QEMU, no kernel image
#   run.sh ... --passt   the way out is passt's socket, not a TUN device
#
# Needs root (or `unshare -r` in front), python3, busybox (busybox-static) and `weir`, which $WEIR may name. For QEMU: qemu-system-x86_64
# ($QEMU, with its options) 7.2 or newer, and a Debian kernel: below $KERNEL, where one was unpacked, else this machine's, else
# one that `apt-get download` brings. The processor is emulated; ACCEL=kvm where there is one. VERBOSE=1 shows the console.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "${1-}" = --inside ] || exec unshare -n -- "$0" --inside "$@"
shift
player=stream way=tun
for option; do
	case $option in
	--namespace | --dgram) player=${option#--} ;;
	--passt) way=passt ;;
	*) echo "run.sh: $option is no option" >&2 && exit 2 ;;
	esac
done
weir=$(command -v "${WEIR:-weir}") || { echo "run.sh: no weir; WEIR=target/release/weir?" >&2; exit 2; }
weir=$(realpath "$weir")
busybox=$(command -v busybox) || { echo "run.sh: no busybox (busybox-static)" >&2; exit 2; }

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cp "$here"/{weir,host,passt,passt-host}.toml "$here/rules.nft" "$work"
cd "$work"
config=weir.toml
[ $way = tun ] || config=passt.toml
[ $player != dgram ] || sed -i '0,/"stream"/s//"dgram"/' $config # The first.

# The first kernel below a root that has a network card for QEMU.
kernel_below() {
	local image release modules
	for image in "$1"/boot/vmlinuz-*; do
		release=${image##*/vmlinuz-}
		for modules in "$1/lib/modules/$release" "$1/usr/lib/modules/$release"; do
			if compgen -G "$modules/kernel/drivers/net/virtio_net.ko*" >/dev/null; then
				echo "$image $modules"
				return
			fi
		done
	done
	return 1
}

# A first file system: busybox, what the machine does, and the modules of its network card.
make_initrd() {
	local order='failover net_failover virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_net'
	mkdir -p root/{bin,proc,sys,dev,modules}
	cp "$busybox" root/bin/busybox
	cp "$here/guest.sh" root/init
	chmod +x root/init
	local name file
	for name in $order; do
		file=$(find "$1" -name "$name.ko*" | head -n 1)
		case $file in
		'') continue ;; # It is part of the kernel.
		*.xz) xz -dc "$file" >"root/modules/$name.ko" ;;
		*) cp "$file" "root/modules/$name.ko" ;;
		esac
		echo "$name.ko"
	done >root/modules/order
	(cd root && find . | "$busybox" cpio -o -H newc 2>/dev/null | gzip -1) >initrd.gz
}

machine() {
	if [ $player = namespace ]; then
		unshare -n -- python3 "$here/cable.py" vm0.sock "$busybox" sh "$here/guest.sh"
		return
	fi
	local qemu found
	read -ra qemu <<<"${QEMU:-qemu-system-x86_64}"
	found=$(kernel_below "${KERNEL:-}") || {
		mkdir -p kernel
		local package
		package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-\)/\1/p' | head -n 1)
		(cd kernel && apt-get download -q "$package" && dpkg-deb -x ./*.deb .) >&2
		found=$(kernel_below kernel)
	}
	make_initrd "${found#* }"
	# The daemon listens, so QEMU's end is not the server.
	local netdev=stream,id=n,server=off,addr.type=unix,addr.path=vm0.sock
	[ $player != dgram ] ||
		netdev=dgram,id=n,local.type=unix,local.path=qemu.sock,remote.type=unix,remote.path=vm0.sock
	timeout 300 "${qemu[@]}" -accel "${ACCEL:-tcg}" -cpu max -m 256 -nographic -no-reboot -nodefaults -serial stdio \
		-kernel "${found% *}" -initrd initrd.gz -append 'console=ttyS0 quiet panic=-1' \
		-netdev "$netdev" \
		-device virtio-net-pci,netdev=n,romfile= </dev/null
}

"$weir" run $config &
daemon=$!
until "$weir" nft --engine ./weir.sock list tables >/dev/null 2>&1; do
	kill -0 $daemon # It has said why not.
	sleep 0.1
done
ip link set lo up
if [ $way = passt ]; then
	ip link add up0 type veth peer name up1
	ip link set up1 up
	ip link set up0 up
fi
for address in 1 53 66 80 81; do
	# The first is the daemon's own, or passt's.
	[ $way.$address = tun.1 ] || ip addr add "198.51.100.$address/24" dev up0
done
if [ $way = passt ]; then
	ip route add default via 198.51.100.254
	chmod 777 . # It gives up its privileges.
	passt --foreground --ipv4-only --socket "$work/passt.sock" 2>passt.log &
fi
python3 "$here/world.py" 198.51.100.{53,66}:53 198.51.100.{66,80,81}:80 198.51.100.80:8080 >world.log &
until grep -q there world.log 2>/dev/null; do
	kill -0 $!
	sleep 0.1
done

machine | while read -r line; do
	line=${line%$'\r'}
	case $line in
	*guest:*) # Behind what the console began with.
		line="guest:${line#*guest:}"
		echo "$line"
		;;
	*) [ -z "${VERBOSE-}" ] || echo "$line" >&2 ;;
	esac
	if [ "$line" = 'guest: may I?' ]; then
		"$weir" nft --engine ./weir.sock add element inet egress allowed '{ 198.51.100.81 . 80 timeout 10m }'
		echo 'host: it may, for ten minutes'
	fi
done
cat world.log
"$weir" nft --engine ./weir.sock list set inet egress refused
"$weir" nft --engine ./weir.sock list counter inet egress questions
