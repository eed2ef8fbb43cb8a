//! `reject`: drops the packet and tells its sender (`nft_reject.c`).

use std::fmt;

use ironweir_netlink::Writer;
use ironweir_wire::Packet;

use crate::given::{Fault, Given};
use crate::registry::Expression;
use crate::text::Orders;
use crate::validate::{ExprError, ValidateCtx};
use crate::{Decision, Env, Family, Hook, Outcome, Registers};

/// How the sender is told (`enum nft_reject_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// An ICMP or ICMPv6 unreachable with this code (`NFT_REJECT_ICMP_UNREACH`).
    IcmpUnreach {
        /// ICMP code in the rule's family.
        code: u8,
    },
    /// A TCP reset (`NFT_REJECT_TCP_RST`).
    TcpReset,
    /// In inet and bridge: an unreachable in the packet's own family (`NFT_REJECT_ICMPX_UNREACH`).
    IcmpxUnreach {
        /// `enum nft_reject_inet_code`: 0 no-route, 1 port-unreachable, 2 host-unreachable, 3 admin-prohibited.
        code: u8,
    },
}

impl Expression for Reject {
    const NAME: &'static str = "reject";
    const HIGHEST: u16 = ICMP_CODE;

    /// Tells the sender and drops. A reset is only sent for TCP, and never in answer to one; that is the environment's to
    /// know.
    fn eval<E: Env>(&self, _: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        env.reject(self, packet);
        Outcome::Verdict(Decision::Drop)
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        let (kind, code) = match self {
            Reject::IcmpUnreach { code } => (0, *code),
            Reject::TcpReset => (1, 0),
            Reject::IcmpxUnreach { code } => (2, *code),
        };
        write!(f, "reject type {kind} code {code}")
    }

    /// `nft_reject_validate` and its kin of inet, bridge and netdev.
    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        use Hook::{Forward, Ingress, Input, Output, Prerouting};
        match ctx.family {
            Family::Ip | Family::Ip6 => ctx.hooks("reject", &[Prerouting, Input, Forward, Output])?,
            Family::Inet => ctx.hooks("reject", &[Ingress, Prerouting, Input, Forward, Output])?,
            Family::Bridge => ctx.hooks("reject", &[Prerouting, Input])?,
            Family::Netdev => ctx.hooks("reject", &[Ingress])?,
            Family::Arp => return Err(ExprError::Family { what: "reject", family: ctx.family }),
        }
        match (self, ctx.family) {
            (Reject::IcmpxUnreach { .. }, Family::Ip | Family::Ip6) => {
                Err(ExprError::Family { what: "reject with icmpx", family: ctx.family })
            }
            (Reject::IcmpxUnreach { code: 4.. }, _) => Err(ExprError::Invalid("an icmpx code above 3")),
            _ => Ok(()),
        }
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        let (kind, code) = match self {
            Reject::IcmpUnreach { code } => (0, *code),
            Reject::TcpReset => (1, 0),
            Reject::IcmpxUnreach { code } => (2, *code),
        };
        writer.put_u32_be(TYPE, kind);
        writer.put_u8(ICMP_CODE, code);
    }

    fn decode(given: &Given<'_>) -> Result<Reject, Fault> {
        let code = || Ok::<u8, Fault>(given.need(ICMP_CODE)?.u8()?);
        match given.u32(TYPE)? {
            0 => Ok(Reject::IcmpUnreach { code: code()? }),
            1 => Ok(Reject::TcpReset),
            2 => Ok(Reject::IcmpxUnreach { code: code()? }),
            _ => Err(Fault::Newer),
        }
    }
}

/// `NFTA_REJECT_TYPE`.
const TYPE: u16 = 1;
/// `NFTA_REJECT_ICMP_CODE`.
const ICMP_CODE: u16 = 2;
