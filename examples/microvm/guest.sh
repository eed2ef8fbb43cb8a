#!/bin/busybox sh
# What the machine does: the first process of the virtual one, or a program where a namespace plays it. Each line tells what
# was tried and what came of it.
PATH=/bin:/sbin:/usr/bin:/usr/sbin
if [ $$ = 1 ]; then
	/bin/busybox --install -s /bin
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	for module in $(cat /modules/order); do insmod "/modules/$module"; done
	ip link set lo up
fi
ip link set eth0 up
ip addr add 10.0.7.2/24 dev eth0
ip route add default via 10.0.7.1

# `wget -T` crashes in Debian 12, hence timeout.
try() {
	what=$1
	shift
	if out=$(timeout 20 busybox "$@" 2>&1); then came=yes; else came=no; fi
	printf 'guest: %s: %s\n' "$what" "$came"
}

try 'ping of the gateway' ping -c 1 -W 5 10.0.7.1
try 'name from the resolver' nslookup -type=a web.example 198.51.100.53
try 'name from another resolver' nslookup -type=a web.example 198.51.100.66
try 'page that is allowed' wget -q -O - http://198.51.100.80/
try 'page that is forbidden' wget -q -O - http://198.51.100.66/
try 'another port' wget -q -O - http://198.51.100.80:8080/
try 'ping of the world' ping -c 1 -W 2 198.51.100.80
try 'page of a stranger' wget -q -O - http://198.51.100.81/
echo 'guest: may I?'
n=0
until out=$(timeout 20 busybox wget -q -O - http://198.51.100.81/ 2>&1) || [ $n = 60 ]; do
	n=$((n + 1))
	sleep 1
done
try 'page of a stranger, asked for' wget -q -O - http://198.51.100.81/
echo 'guest: done'
[ $$ != 1 ] || poweroff -f
