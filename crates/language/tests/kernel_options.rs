//! What is said where a kernel was built without what a change needs: the option by its name. The kernel here answers as
//! Linux 6.18 does without it; which option provides what is taken from the kernel's `Makefile`s.

use ironweir_language::files::MemoryFiles;
use ironweir_language::session::{Backend, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::netlink::FaultPart;
use ironweir_ruleset::store::{Applied, ChangeError, Errno, ErrorKind};
use ironweir_ruleset::{Batch, Change, Ruleset};
use ironweir_wire::Instant;

/// A kernel that lacks something: it refuses the last change of every batch, or one expression of it.
struct Lacking {
    ruleset: Ruleset,
    errno: Errno,
    /// Name of the expression.
    lacks: &'static str,
}

impl Backend for Lacking {
    fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(0)
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        let change = batch.changes.len() - 1;
        let part = match &batch.changes[change] {
            Change::NewRule { rule, .. } => {
                let at = rule.exprs.iter().position(|expr| expr.name() == self.lacks);
                Some(FaultPart::Expression(at.expect("the rule has it") as u32))
            }
            _ => None,
        };
        let kind = ErrorKind::Answer { errno: self.errno, message: None, part };
        Err(Rejection::Changes(vec![ChangeError { change, kind }]))
    }
}

/// The help that is given.
fn help(text: &str, lacks: &'static str, errno: Errno) -> String {
    let mut backend = Lacking { ruleset: Ruleset::new(0), errno, lacks };
    let mut sources = Sources::new();
    let source = sources.add("t.nft", text, None).expect("short");
    let outcome = Session::default().run(&mut sources, source, &MemoryFiles::default(), &mut backend);
    let told = outcome.render(&sources);
    let help = told.lines().find_map(|line| line.strip_prefix("help: this kernel may be built without "));
    help.unwrap_or(&told).to_owned()
}

const NO: Errno = Errno::ENOENT;
const KEY: Errno = Errno::EOPNOTSUPP;

#[test]
fn the_option_that_an_expression_needs_is_named() {
    let cases = [
        ("ip", "queue num 3", "queue", NO, "CONFIG_NFT_QUEUE"),
        ("ip", "ct state new accept", "ct", NO, "CONFIG_NFT_CT"),
        ("bridge", "ct state new accept", "ct", NO, "CONFIG_NF_CONNTRACK_BRIDGE"),
        ("ip", "ct mark 1", "ct", KEY, "CONFIG_NF_CONNTRACK_MARK"),
        ("ip", "ct label 1", "ct", KEY, "CONFIG_NF_CONNTRACK_LABELS"),
        ("ip", "ct zone set 1", "ct", KEY, "CONFIG_NF_CONNTRACK_ZONES"),
        ("ip", "ct event set new", "ct", KEY, "CONFIG_NF_CONNTRACK_EVENTS"),
        ("ip", "notrack", "notrack", NO, "CONFIG_NFT_CT"),
        ("ip", "fib daddr type local", "fib", NO, "CONFIG_NFT_FIB_IPV4"),
        ("ip6", "fib daddr type local", "fib", NO, "CONFIG_NFT_FIB_IPV6"),
        ("inet", "fib daddr type local", "fib", NO, "CONFIG_NFT_FIB_INET"),
        ("ip", "reject", "reject", NO, "CONFIG_NFT_REJECT_IPV4"),
        ("inet", "reject", "reject", NO, "CONFIG_NFT_REJECT_INET"),
        ("bridge", "reject", "reject", NO, "CONFIG_NFT_BRIDGE_REJECT"),
        ("netdev", "reject", "reject", NO, "CONFIG_NFT_REJECT_NETDEV"),
        ("ip", "dup to 192.0.2.1", "dup", NO, "CONFIG_NFT_DUP_IPV4"),
        ("ip6", "dup to 2001:db8::1", "dup", NO, "CONFIG_NFT_DUP_IPV6"),
        ("ip", "synproxy mss 1460 wscale 7", "synproxy", NO, "CONFIG_NFT_SYNPROXY"),
        ("ip", "osf name \"Linux\"", "osf", NO, "CONFIG_NFT_OSF"),
        ("ip", "ipsec in reqid 1", "xfrm", NO, "CONFIG_NFT_XFRM"),
        ("ip", "meta l4proto tcp tproxy to :80", "tproxy", NO, "CONFIG_NFT_TPROXY"),
        ("ip", "socket transparent 1", "socket", NO, "CONFIG_NFT_SOCKET"),
        ("ip", "socket cgroupv2 level 1 5", "socket", KEY, "CONFIG_SOCK_CGROUP_DATA"),
        ("ip", "masquerade", "masq", NO, "CONFIG_NFT_MASQ"),
        ("ip", "redirect", "redir", NO, "CONFIG_NFT_REDIR"),
        ("ip", "snat to 192.0.2.1", "nat", NO, "CONFIG_NFT_NAT"),
        ("ip", "log prefix \"x\"", "log", NO, "CONFIG_NFT_LOG or CONFIG_NF_LOG_SYSLOG"),
        ("ip", "log group 1", "log", NO, "CONFIG_NFT_LOG or CONFIG_NETFILTER_NETLINK_LOG"),
        ("ip", "limit rate 1/second", "limit", NO, "CONFIG_NFT_LIMIT"),
        ("ip", "quota 1 mbytes", "quota", NO, "CONFIG_NFT_QUOTA"),
        ("ip", "ct count 1", "connlimit", NO, "CONFIG_NFT_CONNLIMIT"),
        ("ip", "mark set numgen inc mod 2", "numgen", NO, "CONFIG_NFT_NUMGEN"),
        ("ip", "mark set jhash ip saddr mod 2", "hash", NO, "CONFIG_NFT_HASH"),
        ("bridge", "meta ibrname \"x\"", "meta", KEY, "CONFIG_NFT_BRIDGE_META"),
        ("ip", "meta cgroup 1", "meta", KEY, "CONFIG_CGROUP_NET_CLASSID"),
        ("ip", "rt ipsec exists", "rt", KEY, "CONFIG_XFRM"),
        ("inet", "dccp option 1 exists", "exthdr", KEY, "CONFIG_NFT_EXTHDR_DCCP"),
    ];
    for (family, rule, lacks, errno, option) in cases {
        let text = format!("add table {family} t\nadd chain {family} t c\nadd rule {family} t c {rule}\n");
        assert_eq!(help(&text, lacks, errno), option, "{family} {rule}");
    }
}

#[test]
fn the_option_that_an_object_needs_is_named() {
    let helper = |name: &str| format!("ct helper ip t h {{ type \"{name}\" protocol tcp; }}");
    let cases = [
        ("synproxy ip t s { mss 1460; wscale 7; }".to_owned(), "CONFIG_NFT_SYNPROXY"),
        ("quota ip t q { 1 mbytes }".to_owned(), "CONFIG_NFT_QUOTA"),
        ("limit ip t l { rate 1/second }".to_owned(), "CONFIG_NFT_LIMIT"),
        ("secmark ip t s { \"x\" }".to_owned(), "CONFIG_NETWORK_SECMARK"),
        ("tunnel ip t x { id 1; ip saddr 192.0.2.1; ip daddr 192.0.2.2; }".to_owned(), "CONFIG_NFT_TUNNEL"),
        (
            "ct timeout ip t x { protocol tcp; l3proto ip; policy = { established: 60 }; }".to_owned(),
            "CONFIG_NF_CONNTRACK_TIMEOUT",
        ),
        (
            "ct expectation ip t x { protocol tcp; dport 5; timeout 1m; size 3; l3proto ip; }".to_owned(),
            "CONFIG_NFT_CT",
        ),
        (
            "flowtable ip t f { hook ingress priority 0; devices = { lo }; }".to_owned(),
            "CONFIG_NF_FLOW_TABLE_INET",
        ),
        (helper("ftp"), "CONFIG_NF_CONNTRACK_FTP"),
        (helper("tftp"), "CONFIG_NF_CONNTRACK_TFTP"),
        (helper("irc"), "CONFIG_NF_CONNTRACK_IRC"),
        (helper("sip"), "CONFIG_NF_CONNTRACK_SIP"),
        (helper("pptp"), "CONFIG_NF_CONNTRACK_PPTP"),
        (helper("amanda"), "CONFIG_NF_CONNTRACK_AMANDA"),
        (helper("sane"), "CONFIG_NF_CONNTRACK_SANE"),
        (helper("snmp"), "CONFIG_NF_CONNTRACK_SNMP"),
        (helper("netbios-ns"), "CONFIG_NF_CONNTRACK_NETBIOS_NS"),
        (helper("Q.931"), "CONFIG_NF_CONNTRACK_H323"),
    ];
    for (object, option) in cases {
        let text = format!("add table ip t\nadd {object}\n");
        assert_eq!(help(&text, "", NO), option, "{object}");
    }
    let unheard = help(&format!("add table ip t\nadd {}\n", helper("nobody")), "", NO);
    assert!(!unheard.contains("CONFIG"), "{unheard}");
}

#[test]
fn the_option_that_a_chain_needs_is_named() {
    let cases = [
        ("ip", "type nat hook prerouting priority 0", NO, "CONFIG_NFT_NAT"),
        ("ip", "type filter hook input priority 0", NO, "CONFIG_NF_TABLES_IPV4"),
        ("ip6", "type route hook output priority 0", NO, "CONFIG_NF_TABLES_IPV6"),
        ("inet", "type filter hook input priority 0", NO, "CONFIG_NF_TABLES_INET"),
        ("arp", "type filter hook input priority 0", NO, "CONFIG_NF_TABLES_ARP"),
        ("bridge", "type filter hook input priority 0", NO, "CONFIG_NF_TABLES_BRIDGE"),
        ("netdev", "type filter hook ingress device lo priority 0", NO, "CONFIG_NF_TABLES_NETDEV"),
        ("netdev", "type filter hook egress device lo priority 0", KEY, "CONFIG_NETFILTER_EGRESS"),
    ];
    for (family, chain, errno, option) in cases {
        let text = format!("add table {family} t\nadd chain {family} t c {{ {chain}; }}\n");
        assert_eq!(help(&text, "", errno), option, "{family} {chain}");
    }
}
