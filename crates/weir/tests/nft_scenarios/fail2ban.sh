# needs: fail2ban-server
# fail2ban of Debian, unchanged, bans through the `nft` that it finds. Families are listed apart: it bans from threads.
d=$(mktemp -d)
mkdir $d/conf
cp -r /etc/fail2ban/. $d/conf/
rm -f $d/conf/jail.d/* $d/conf/jail.local
touch $d/log
cat >$d/conf/jail.local <<X
[DEFAULT]
dbfile = None
filter = sshd
backend = polling
logpath = $d/log
[ports]
enabled = true
port = ssh,2222
banaction = nftables
[all]
enabled = true
banaction = nftables[type=allports]
X
fail2ban-server -c $d/conf -s $d/socket -p $d/pid --logtarget $d/told -b start >/dev/null 2>&1
client() { fail2ban-client -c $d/conf -s $d/socket "$@" >/dev/null 2>&1; }
for i in $(seq 100); do client ping && break; sleep 0.1; done
until_is() { for i in $(seq 100); do nft list ruleset | grep -q "$1" && break; sleep 0.1; done; }
# One after another: threads that ban the first address of a family at once may each add its rule.
client set ports banip 192.0.2.1
until_is 192.0.2.1
client set ports banip 192.0.2.7
until_is 192.0.2.7
client set ports banip 2001:db8::5
until_is 2001:db8::5
client set all banip 198.51.100.9
until_is 198.51.100.9
nft list ruleset | sort -u
client set ports unbanip 192.0.2.7
for i in $(seq 100); do nft list ruleset | grep -q 192.0.2.7 || break; sleep 0.1; done
nft list ruleset | sort -u
client stop
for i in $(seq 100); do [ -z "$(nft list ruleset)" ] && break; sleep 0.1; done
nft list ruleset
grep ERROR $d/told
rm -r $d
