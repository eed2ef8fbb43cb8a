//! What a kernel lacks that refuses a change which is right in itself: the option that it was built without
//! (`net/netfilter/Kconfig`, `net/ipv4/netfilter/Kconfig`, `net/ipv6/netfilter/Kconfig`, `net/bridge/netfilter/Kconfig`
//! of Linux 6.18).

use ironweir_expr::log::Destination;
use ironweir_expr::{ct, exthdr, meta, rt, socket};
use ironweir_ruleset::netlink::FaultPart;
use ironweir_ruleset::store::{Errno, ErrorKind};
use ironweir_ruleset::{BaseChain, ChainType, Change, Expr, Family, Hook, ObjectKind};

/// The option of the kernel's configuration that a refused change needs, where the kernel says that it does not know
/// what is asked: `ENOENT` for a type that it does not have (`nft_expr_type_get`, `nft_obj_type_get`,
/// `nf_tables_chain_type_lookup`, `nft_flowtable_type_get`), `EOPNOTSUPP` for a key or hook of one that it has.
pub(super) fn missing(change: &Change, kind: &ErrorKind) -> Option<&'static str> {
    let ErrorKind::Answer { errno, part, .. } = kind else { return None };
    let absent = match errno {
        Errno::ENOENT => true,
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT => false,
        _ => return None,
    };
    match change {
        Change::NewRule { table, rule, .. } => match part {
            Some(FaultPart::Expression(at)) => {
                let expr = rule.exprs.get(*at as usize)?.known();
                if absent { of_type(expr, table.family) } else { of_key(expr, table.family) }
            }
            _ => None,
        },
        Change::NewSet { table, set, .. } if absent => {
            set.exprs.iter().find_map(|expr| of_type(expr.known(), table.family))
        }
        Change::NewFlowtable { .. } => Some("CONFIG_NF_FLOW_TABLE_INET"),
        Change::NewChain { table, chain, .. } => of_chain(table.family, chain.base.as_ref()?, absent),
        Change::NewObject { object, .. } => of_object(&object.kind),
        _ => None,
    }
}

/// What types of chains need: each is registered for one family.
fn of_chain(family: Family, base: &BaseChain, absent: bool) -> Option<&'static str> {
    Some(match (base.kind, family, base.hook) {
        (_, _, Hook::Egress) if !absent => "CONFIG_NETFILTER_EGRESS",
        (_, _, Hook::Ingress) if !absent => "CONFIG_NETFILTER_INGRESS",
        _ if !absent => return None,
        (ChainType::Nat, ..) => "CONFIG_NFT_NAT",
        (_, Family::Ip, _) => "CONFIG_NF_TABLES_IPV4",
        (_, Family::Ip6, _) => "CONFIG_NF_TABLES_IPV6",
        (_, Family::Inet, _) => "CONFIG_NF_TABLES_INET",
        (_, Family::Arp, _) => "CONFIG_NF_TABLES_ARP",
        (_, Family::Bridge, _) => "CONFIG_NF_TABLES_BRIDGE",
        (_, Family::Netdev, _) => "CONFIG_NF_TABLES_NETDEV",
    })
}

fn of_object(kind: &ObjectKind) -> Option<&'static str> {
    Some(match kind {
        ObjectKind::Quota(_) => "CONFIG_NFT_QUOTA",
        ObjectKind::Limit(_) => "CONFIG_NFT_LIMIT",
        ObjectKind::Connlimit(_) => "CONFIG_NFT_CONNLIMIT",
        ObjectKind::Synproxy(_) => "CONFIG_NFT_SYNPROXY",
        ObjectKind::CtHelper(helper) => return of_helper(&helper.helper),
        ObjectKind::CtExpectation(_) => "CONFIG_NFT_CT",
        ObjectKind::CtTimeout(_) => "CONFIG_NF_CONNTRACK_TIMEOUT",
        ObjectKind::Secmark(_) => "CONFIG_NETWORK_SECMARK",
        ObjectKind::Tunnel(_) => "CONFIG_NFT_TUNNEL",
        ObjectKind::Counter(_) => return None,
    })
}

/// Helpers by the names under which they register (`nf_ct_helper_init`); there is none of another name.
fn of_helper(name: &str) -> Option<&'static str> {
    Some(match name {
        "amanda" => "CONFIG_NF_CONNTRACK_AMANDA",
        "ftp" => "CONFIG_NF_CONNTRACK_FTP",
        "H.245" | "Q.931" | "RAS" => "CONFIG_NF_CONNTRACK_H323",
        "irc" => "CONFIG_NF_CONNTRACK_IRC",
        "netbios-ns" => "CONFIG_NF_CONNTRACK_NETBIOS_NS",
        "pptp" => "CONFIG_NF_CONNTRACK_PPTP",
        "sane" => "CONFIG_NF_CONNTRACK_SANE",
        "sip" => "CONFIG_NF_CONNTRACK_SIP",
        "snmp" => "CONFIG_NF_CONNTRACK_SNMP",
        "tftp" => "CONFIG_NF_CONNTRACK_TFTP",
        _ => return None,
    })
}

/// Expressions that a kernel may be built without; some are registered for one family each.
fn of_type(expr: &Expr, family: Family) -> Option<&'static str> {
    Some(match expr {
        Expr::Connlimit(_) => "CONFIG_NFT_CONNLIMIT",
        Expr::CtGet(_) | Expr::CtSet(_) if family == Family::Bridge => "CONFIG_NF_CONNTRACK_BRIDGE",
        Expr::CtGet(_) | Expr::CtSet(_) | Expr::Notrack(_) => "CONFIG_NFT_CT",
        Expr::Dup(_) => match family {
            Family::Ip => "CONFIG_NFT_DUP_IPV4",
            Family::Ip6 => "CONFIG_NFT_DUP_IPV6",
            _ => "CONFIG_NFT_DUP_NETDEV",
        },
        Expr::Fib(_) => match family {
            Family::Ip => "CONFIG_NFT_FIB_IPV4",
            Family::Ip6 => "CONFIG_NFT_FIB_IPV6",
            Family::Netdev => "CONFIG_NFT_FIB_NETDEV",
            _ => "CONFIG_NFT_FIB_INET",
        },
        Expr::FlowOffload(_) => "CONFIG_NFT_FLOW_OFFLOAD",
        Expr::Fwd(_) => "CONFIG_NFT_FWD_NETDEV",
        Expr::Hash(_) => "CONFIG_NFT_HASH",
        Expr::Limit(_) => "CONFIG_NFT_LIMIT",
        // Where the type is there, it is the logger that is not (nf_logger_find_get).
        Expr::Log(log) => match log.to {
            Destination::Syslog { .. } => "CONFIG_NFT_LOG or CONFIG_NF_LOG_SYSLOG",
            Destination::Group { .. } => "CONFIG_NFT_LOG or CONFIG_NETFILTER_NETLINK_LOG",
        },
        Expr::Masq(_) => "CONFIG_NFT_MASQ",
        Expr::MetaGet(_) | Expr::MetaSet(_) if family == Family::Bridge => "CONFIG_NFT_BRIDGE_META",
        Expr::Nat(_) => "CONFIG_NFT_NAT",
        Expr::Numgen(_) => "CONFIG_NFT_NUMGEN",
        Expr::Osf(_) => "CONFIG_NFT_OSF",
        Expr::Queue(_) => "CONFIG_NFT_QUEUE",
        Expr::Quota(_) => "CONFIG_NFT_QUOTA",
        Expr::Redir(_) => "CONFIG_NFT_REDIR",
        Expr::Reject(_) => match family {
            Family::Ip => "CONFIG_NFT_REJECT_IPV4",
            Family::Ip6 => "CONFIG_NFT_REJECT_IPV6",
            Family::Bridge => "CONFIG_NFT_BRIDGE_REJECT",
            Family::Netdev => "CONFIG_NFT_REJECT_NETDEV",
            _ => "CONFIG_NFT_REJECT_INET",
        },
        Expr::Socket(_) => "CONFIG_NFT_SOCKET",
        Expr::Synproxy(_) => "CONFIG_NFT_SYNPROXY",
        Expr::Tproxy(_) => "CONFIG_NFT_TPROXY",
        Expr::Tunnel(_) => "CONFIG_NFT_TUNNEL",
        Expr::Xfrm(_) => "CONFIG_NFT_XFRM",
        Expr::XtMatch(_) | Expr::XtTarget(_) => "CONFIG_NFT_COMPAT",
        _ => return None,
    })
}

/// Keys of expressions that are there.
fn of_key(expr: &Expr, family: Family) -> Option<&'static str> {
    Some(match expr {
        Expr::CtGet(ct::Get { key, .. }) | Expr::CtSet(ct::Set { key, .. }) => match key {
            ct::Key::Mark => "CONFIG_NF_CONNTRACK_MARK",
            ct::Key::Secmark => "CONFIG_NF_CONNTRACK_SECMARK",
            ct::Key::Labels => "CONFIG_NF_CONNTRACK_LABELS",
            ct::Key::Zone => "CONFIG_NF_CONNTRACK_ZONES",
            ct::Key::EventMask => "CONFIG_NF_CONNTRACK_EVENTS",
            _ if family == Family::Bridge => "CONFIG_NF_CONNTRACK_BRIDGE",
            _ => return None,
        },
        Expr::MetaGet(meta::Get { key, .. }) | Expr::MetaSet(meta::Set { key, .. }) => match key {
            meta::Key::Rtclassid => "CONFIG_IP_ROUTE_CLASSID",
            meta::Key::Secmark => "CONFIG_NETWORK_SECMARK",
            meta::Key::Cgroup => "CONFIG_CGROUP_NET_CLASSID",
            meta::Key::Secpath => "CONFIG_XFRM",
            meta::Key::BriIifname
            | meta::Key::BriOifname
            | meta::Key::BriIifpvid
            | meta::Key::BriIifvproto
            | meta::Key::BriIifhwaddr
            | meta::Key::BriBroute => "CONFIG_NFT_BRIDGE_META",
            _ => return None,
        },
        Expr::Exthdr(exthdr::Exthdr { kind: exthdr::Kind::Dccp, .. }) => "CONFIG_NFT_EXTHDR_DCCP",
        Expr::Rt(rt::Rt { key: rt::Key::Classid, .. }) => "CONFIG_IP_ROUTE_CLASSID",
        Expr::Rt(rt::Rt { key: rt::Key::Xfrm, .. }) => "CONFIG_XFRM",
        Expr::Socket(socket::Socket { key: socket::Key::Cgroupv2 { .. }, .. }) => "CONFIG_SOCK_CGROUP_DATA",
        _ => return None,
    })
}
