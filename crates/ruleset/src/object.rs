//! Named objects: state and configuration that rules refer to by name.

use std::net::IpAddr;

use ironweir_expr::connlimit::Connlimit;
use ironweir_expr::counter::Counter;
use ironweir_expr::limit::Limit;
use ironweir_expr::objref::ObjectType;
use ironweir_expr::quota::Quota;
use ironweir_expr::synproxy::Synproxy;

use crate::Userdata;

/// An object's own attributes (`NFTA_OBJ_*`). Names are unique within a table for each type.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub kind: ObjectKind,
    /// The comment.
    pub userdata: Userdata,
    /// Attributes of a newer peer, which it gets back.
    pub unknown: crate::netlink::Unknown,
}

impl Object {
    /// Its type.
    pub fn object_type(&self) -> ObjectType {
        match &self.kind {
            ObjectKind::Counter(_) => ObjectType::Counter,
            ObjectKind::Quota(_) => ObjectType::Quota,
            ObjectKind::Limit(_) => ObjectType::Limit,
            ObjectKind::Connlimit(_) => ObjectType::Connlimit,
            ObjectKind::Synproxy(_) => ObjectType::Synproxy,
            ObjectKind::CtHelper(_) => ObjectType::CtHelper,
            ObjectKind::CtTimeout(_) => ObjectType::CtTimeout,
            ObjectKind::CtExpectation(_) => ObjectType::CtExpectation,
            ObjectKind::Secmark(_) => ObjectType::Secmark,
            ObjectKind::Tunnel(_) => ObjectType::Tunnel,
        }
    }
}

/// What an object is, with its state.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each variant is documented at its type
pub enum ObjectKind {
    Counter(Counter),
    Quota(Quota),
    Limit(Limit),
    Connlimit(Connlimit),
    Synproxy(Synproxy),
    CtHelper(CtHelper),
    CtTimeout(CtTimeout),
    CtExpectation(CtExpectation),
    Secmark(Secmark),
    Tunnel(Box<Tunnel>),
}

/// `ct helper` (`NFTA_CT_HELPER_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtHelper {
    /// The helper's name, such as `ftp`.
    pub helper: Box<str>,
    /// `ip`, `ip6` or 0 where it was left to the table's family.
    pub l3proto: u16,
    /// 6 for TCP, 17 for UDP.
    pub l4proto: u8,
}

/// `ct timeout` (`NFTA_CT_TIMEOUT_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtTimeout {
    /// As in [`CtHelper::l3proto`].
    pub l3proto: u16,
    /// Protocol number.
    pub l4proto: u8,
    /// Timeouts in seconds by the protocol's own numbering of states (`CTA_TIMEOUT_TCP_*`, `CTA_TIMEOUT_UDP_*`).
    pub timeouts: Vec<(u16, u32)>,
}

/// `ct expectation` (`NFTA_CT_EXPECT_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtExpectation {
    /// As in [`CtHelper::l3proto`].
    pub l3proto: u16,
    /// Protocol number.
    pub l4proto: u8,
    /// Destination port of the expected connection.
    pub dport: u16,
    /// How long it is expected, in milliseconds.
    pub timeout: u32,
    /// How many at once.
    pub size: u8,
}

/// `secmark` (`NFTA_SECMARK_CTX`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secmark {
    /// The security context.
    pub context: Box<str>,
}

/// `tunnel` (`NFTA_TUNNEL_KEY_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Number of the tunnel.
    pub id: u32,
    /// Outer source address.
    pub src: Option<IpAddr>,
    /// Outer destination address.
    pub dst: Option<IpAddr>,
    /// Outer source port.
    pub sport: Option<u16>,
    /// Outer destination port.
    pub dport: Option<u16>,
    /// Outer traffic class.
    pub tos: Option<u8>,
    /// Outer TTL or hop limit.
    pub ttl: Option<u8>,
    /// IPv6 flow label (`NFTA_TUNNEL_KEY_IP6_FLOWLABEL`).
    pub flowlabel: Option<u32>,
    /// `NFT_TUNNEL_F_*`.
    pub flags: u32,
    /// Options by kind of tunnel.
    pub options: TunnelOptions,
}

/// What a tunnel's header carries besides (`NFTA_TUNNEL_KEY_OPTS`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TunnelOptions {
    /// Nothing.
    #[default]
    None,
    /// `vxlan { gbp N }`.
    Vxlan {
        /// Group policy.
        gbp: u32,
    },
    /// `erspan { ... }`.
    Erspan(Erspan),
    /// `geneve { class ... opt-type ... data ... }`, any number of them.
    Geneve(Vec<GeneveOption>),
}

/// ERSPAN by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erspan {
    /// Version 1.
    V1 {
        /// Index.
        index: u32,
    },
    /// Version 2.
    V2 {
        /// 0 ingress, 1 egress.
        direction: u8,
        /// Hardware id.
        hwid: u8,
    },
}

/// A Geneve option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneveOption {
    /// Namespace of the type.
    pub class: u16,
    /// Type.
    pub kind: u8,
    /// Contents.
    pub data: Vec<u8>,
}
