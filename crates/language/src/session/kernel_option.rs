//! What a kernel lacks that refuses a change which is right in itself: the option that it was built without.

use ironweir_ruleset::netlink::FaultPart;
use ironweir_ruleset::store::{Errno, ErrorKind};
use ironweir_ruleset::{ChainType, Change, Expr, ObjectKind};

/// The option of the kernel's configuration that a refused change needs, where the kernel says that it does not know
/// what is asked (`nft_expr_type_get`, `nft_obj_type_get`, `nft_chain_validate_hook`: all `ENOENT` or `EOPNOTSUPP`).
pub(super) fn missing(change: &Change, kind: &ErrorKind) -> Option<&'static str> {
    let ErrorKind::Answer { errno: Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT, part, .. } = kind
    else {
        return None;
    };
    match change {
        Change::NewRule { rule, .. } => match part {
            Some(FaultPart::Expression(at)) => option_of(rule.exprs.get(*at as usize)?),
            _ => None,
        },
        Change::NewFlowtable { .. } => Some("CONFIG_NF_FLOW_TABLE_INET"),
        Change::NewChain { chain, .. } => match chain.base.as_ref()?.kind {
            ChainType::Nat => Some("CONFIG_NFT_NAT"),
            _ => None,
        },
        Change::NewObject { object, .. } => match &object.kind {
            ObjectKind::Quota(_) => Some("CONFIG_NFT_QUOTA"),
            ObjectKind::Limit(_) => Some("CONFIG_NFT_LIMIT"),
            ObjectKind::Connlimit(_) => Some("CONFIG_NFT_CONNLIMIT"),
            ObjectKind::Synproxy(_) => Some("CONFIG_NFT_SYNPROXY"),
            ObjectKind::CtHelper(_) | ObjectKind::CtExpectation(_) => Some("CONFIG_NFT_CT"),
            ObjectKind::CtTimeout(_) => Some("CONFIG_NF_CONNTRACK_TIMEOUT"),
            ObjectKind::Secmark(_) => Some("CONFIG_NETWORK_SECMARK"),
            ObjectKind::Tunnel(_) => Some("CONFIG_NFT_TUNNEL"),
            ObjectKind::Counter(_) => None,
        },
        _ => None,
    }
}

/// Expressions that a kernel may be built without (`net/netfilter/Kconfig` of Linux 6.18).
fn option_of(expr: &Expr) -> Option<&'static str> {
    Some(match expr.known() {
        Expr::Connlimit(_) => "CONFIG_NFT_CONNLIMIT",
        Expr::CtGet(_) | Expr::CtSet(_) | Expr::Notrack(_) => "CONFIG_NFT_CT",
        Expr::Dup(_) => "CONFIG_NFT_DUP_IPV4, CONFIG_NFT_DUP_IPV6 or CONFIG_NFT_DUP_NETDEV",
        Expr::Fib(_) => "CONFIG_NFT_FIB_IPV4, CONFIG_NFT_FIB_IPV6 or CONFIG_NFT_FIB_INET",
        Expr::FlowOffload(_) => "CONFIG_NFT_FLOW_OFFLOAD",
        Expr::Fwd(_) => "CONFIG_NFT_FWD_NETDEV",
        Expr::Hash(_) => "CONFIG_NFT_HASH",
        Expr::Limit(_) => "CONFIG_NFT_LIMIT",
        Expr::Log(_) => "CONFIG_NFT_LOG",
        Expr::Masq(_) => "CONFIG_NFT_MASQ",
        Expr::Nat(_) => "CONFIG_NFT_NAT",
        Expr::Numgen(_) => "CONFIG_NFT_NUMGEN",
        Expr::Osf(_) => "CONFIG_NFT_OSF",
        Expr::Queue(_) => "CONFIG_NFT_QUEUE",
        Expr::Quota(_) => "CONFIG_NFT_QUOTA",
        Expr::Redir(_) => "CONFIG_NFT_REDIR",
        Expr::Reject(_) => "CONFIG_NFT_REJECT",
        Expr::Socket(_) => "CONFIG_NFT_SOCKET",
        Expr::Synproxy(_) => "CONFIG_NFT_SYNPROXY",
        Expr::Tproxy(_) => "CONFIG_NFT_TPROXY",
        Expr::Tunnel(_) => "CONFIG_NFT_TUNNEL",
        Expr::Xfrm(_) => "CONFIG_NFT_XFRM",
        Expr::XtMatch(_) | Expr::XtTarget(_) => "CONFIG_NFT_COMPAT",
        _ => return None,
    })
}
