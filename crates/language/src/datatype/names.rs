//! Names that a machine's files and interfaces give to numbers.

use std::collections::BTreeMap;

use super::Resolver;

/// Words and numbers both ways. The first word of a number is the one that is printed.
#[derive(Clone, Debug, Default)]
pub struct NameTable {
    by_name: BTreeMap<Box<str>, u64>,
    by_number: BTreeMap<u64, Box<str>>,
}

impl NameTable {
    /// Every word, in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|word| &**word)
    }

    /// Adds a word.
    pub fn insert(&mut self, name: &str, number: u64) {
        self.by_name.entry(name.into()).or_insert(number);
        self.by_number.entry(number).or_insert_with(|| name.into());
    }

    /// The number of a word.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    /// The word for a number.
    pub fn name(&self, number: u64) -> Option<&str> {
        self.by_number.get(&number).map(|name| &**name)
    }
}

/// What a machine knows beyond nft's own words: services, protocols, marks, interfaces, users, the time zone.
///
/// The default holds what every machine has; the texts of the machine's files are added by whoever may read them, so
/// that resolving stays deterministic.
#[derive(Clone, Debug)]
pub struct Names {
    /// Ports by protocol-independent name (`/etc/services`).
    pub services: NameTable,
    /// Protocol numbers (`/etc/protocols`).
    pub protocols: NameTable,
    /// `/etc/iproute2/rt_marks`.
    pub marks: NameTable,
    /// `/etc/iproute2/rt_realms`.
    pub realms: NameTable,
    /// `/etc/iproute2/group`.
    pub devgroups: NameTable,
    /// `/etc/connlabel.conf` or `/etc/xtables/connlabel.conf`: bit numbers.
    pub labels: NameTable,
    /// User ids.
    pub users: NameTable,
    /// Group ids.
    pub groups: NameTable,
    /// Interface indexes.
    pub interfaces: NameTable,
    /// Ids of control groups (version 2) by path below the mount point.
    pub cgroups: NameTable,
    /// Seconds east of UTC, for `meta time` and `meta hour`.
    pub utc_offset: i32,
    /// Names of hosts.
    pub hosts: Resolver,
}

impl Default for Names {
    fn default() -> Names {
        let table = |rows: &[(&str, u64)]| {
            let mut table = NameTable::default();
            rows.iter().for_each(|(name, number)| table.insert(name, *number));
            table
        };
        Names {
            services: table(SERVICES),
            protocols: table(PROTOCOLS),
            marks: NameTable::default(),
            realms: table(&[("cosmos", 0)]),
            devgroups: table(&[("default", 0)]),
            labels: NameTable::default(),
            users: table(&[("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("nobody", 65534)]),
            groups: table(&[("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("nogroup", 65534)]),
            interfaces: table(&[("lo", 1)]),
            cgroups: NameTable::default(),
            utc_offset: 0,
            hosts: Resolver::default(),
        }
    }
}

impl Names {
    /// Adds the lines of an `/etc/services`: `name port/protocol alias... # comment`.
    pub fn add_services(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some(port) = port.split('/').next().and_then(|port| port.parse::<u16>().ok()) else {
                continue;
            };
            std::iter::once(name).chain(words).for_each(|name| self.services.insert(name, u64::from(port)));
        }
    }

    /// Adds the lines of an `/etc/protocols`: `name number alias... # comment`.
    pub fn add_protocols(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let (Some(name), Some(number)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u8>() else { continue };
            self.protocols.insert(name, u64::from(number));
        }
    }

    /// Adds the lines of one of iproute2's files: `number name`, the number also in hexadecimal.
    pub fn add_iproute2(table: &mut NameTable, text: &str) {
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or("").split_whitespace();
            let (Some(number), Some(name)) = (words.next(), words.next()) else { continue };
            if let Some(number) = super::parse_number(number).and_then(|n| u64::try_from(n).ok()) {
                table.insert(name, number);
            }
        }
    }
}

const PROTOCOLS: &[(&str, u64)] = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("comp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
];

const SERVICES: &[(&str, u64)] = &[
    ("tcpmux", 1),
    ("echo", 7),
    ("discard", 9),
    ("systat", 11),
    ("daytime", 13),
    ("netstat", 15),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("mail", 25),
    ("time", 37),
    ("whois", 43),
    ("tacacs", 49),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("www", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("sunrpc", 111),
    ("auth", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("epmap", 135),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap2", 143),
    ("imap", 143),
    ("snmp", 161),
    ("snmp-trap", 162),
    ("xdmcp", 177),
    ("bgp", 179),
    ("irc", 194),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("submissions", 465),
    ("isakmp", 500),
    ("exec", 512),
    ("login", 513),
    ("shell", 514),
    ("syslog", 514),
    ("printer", 515),
    ("route", 520),
    ("dhcpv6-client", 546),
    ("dhcpv6-server", 547),
    ("rtsp", 554),
    ("submission", 587),
    ("ipp", 631),
    ("ldaps", 636),
    ("domain-s", 853),
    ("rsync", 873),
    ("ftps", 990),
    ("telnets", 992),
    ("imaps", 993),
    ("pop3s", 995),
    ("socks", 1080),
    ("openvpn", 1194),
    ("ms-sql-s", 1433),
    ("l2f", 1701),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("nfs", 2049),
    ("mysql", 3306),
    ("svn", 3690),
    ("ipsec-nat-t", 4500),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("xmpp-client", 5222),
    ("xmpp-server", 5269),
    ("mdns", 5353),
    ("postgresql", 5432),
    ("x11", 6000),
    ("redis", 6379),
    ("http-alt", 8080),
    ("git", 9418),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_files_add_names_and_aliases() {
        let mut names = Names::default();
        names.add_services("myapp 4711/tcp oldapp # ours\nbroken\nx notaport/udp\n");
        assert_eq!(names.services.number("oldapp"), Some(4711));
        assert_eq!(names.services.name(4711), Some("myapp"));
        assert_eq!(names.services.number("x"), None);
    }
}
