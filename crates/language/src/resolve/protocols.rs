//! Which protocol each layer is known to have (`proto_ctx` of nft).

use ironweir_expr::payload::Base;
use ironweir_expr::{Family, ct, meta};

use crate::datatype::Datum;
use crate::proto::Proto;
use crate::source::Span;
use crate::typed::{Kind, Typed};

/// What matches have told of a packet's layers.
#[derive(Clone, Debug)]
pub struct Protocols {
    /// Family of the table.
    pub family: Family,
    layers: [Option<Proto>; 5],
    learned: [bool; 5],
    /// Where the match was written that told the protocol of a layer.
    told: [Span; 5],
    /// Where the statement is that is looked at now.
    pub(crate) place: Span,
    transports: Vec<Proto>,
    /// Link-layer headers that lie below the one known now: Ethernet below a VLAN tag.
    pub stacked: Vec<Proto>,
    /// The transport protocol is one of a named set.
    some_transport: bool,
    /// ICMP or ICMPv6 type that was matched.
    pub icmp_type: Option<u8>,
}

impl Protocols {
    /// What the family alone tells.
    pub fn new(family: Family) -> Protocols {
        let (base, proto) = Proto::of_family(family);
        let mut protocols = Protocols::nothing(family);
        protocols.layers[base as usize] = Some(proto);
        protocols
    }

    /// Nothing known: inside a tunnel.
    pub fn nothing(family: Family) -> Protocols {
        Protocols {
            family,
            layers: [None; 5],
            learned: [false; 5],
            told: [Span::NONE; 5],
            place: Span::NONE,
            transports: Vec::new(),
            stacked: Vec::new(),
            some_transport: false,
            icmp_type: None,
        }
    }

    /// The protocol at a layer.
    pub fn at(&self, base: Base) -> Option<Proto> {
        self.layers[base as usize]
    }

    /// Where a match was written that told the protocol of a layer, or implied it; no place where the family did.
    pub fn told(&self, base: Base) -> Span {
        self.told[base as usize]
    }

    /// Notes a protocol at its layer.
    pub fn set(&mut self, base: Base, proto: Proto) {
        if base == Base::Transport && !self.transports.contains(&proto) {
            self.transports.push(proto);
        }
        if self.layers[base as usize] != Some(proto) {
            self.told[base as usize] = self.place;
        }
        self.layers[base as usize] = Some(proto);
        self.learned[base as usize] = true;
    }

    /// Whether matches told the protocol at a layer, rather than the family.
    pub fn learned(&self, base: Base) -> bool {
        self.learned[base as usize]
    }

    /// A protocol other than `proto` that the transport layer may have, where several are possible.
    pub fn conflict(&self, base: Base, proto: Proto) -> Option<Proto> {
        if base != Base::Transport || self.transports.len() < 2 {
            return None;
        }
        self.transports.iter().copied().find(|other| *other != proto)
    }

    /// Bits of the stacked link-layer headers before `proto`, or of all of them.
    pub fn stacked_bits(&self, before: Option<Proto>) -> u32 {
        self.stacked.iter().take_while(|proto| Some(**proto) != before).map(|proto| proto.header().bits).sum()
    }

    /// Whether a match told that there is a transport protocol, be it one of a set whose elements may change.
    pub fn has_transport(&self) -> bool {
        self.at(Base::Transport).is_some() || self.some_transport
    }

    /// What an equality tells (`relational_expr_pctx_update`).
    pub fn learn(&mut self, left: &Typed, right: &Typed) {
        match &right.kind {
            Kind::Value(datum) => self.learn_value(left, datum),
            Kind::Set(set) => {
                for element in &set.elements {
                    if let Kind::Value(datum) = &element.key.kind {
                        self.learn_value(left, datum);
                    }
                }
            }
            Kind::SetRef(..) => self.some_transport |= matches!(left.kind, Kind::Meta(meta::Key::L4proto, _)),
            _ => {}
        }
    }

    fn learn_value(&mut self, left: &Typed, datum: &Datum) {
        let Some(value) = datum.number().and_then(|n| u64::try_from(n).ok()) else { return };
        let (family_base, family_proto) = Proto::of_family(self.family);
        match &left.kind {
            Kind::Meta(key, _) => match key {
                meta::Key::Iiftype => {
                    self.set(Base::Link, if value == 1 { Proto::Ether } else { Proto::Unknown });
                }
                meta::Key::Nfproto => {
                    self.set(Base::Network, Proto::Inet.upper(value).unwrap_or(Proto::Unknown));
                }
                meta::Key::L4proto => {
                    self.set(Base::Transport, Proto::InetService.upper(value).unwrap_or(Proto::Unknown));
                }
                // Where `meta nfproto` tells the protocol, this tells nothing (`meta_expr_pctx_update`)
                meta::Key::Protocol if self.family == Family::Inet && !left.is_inner() => {}
                meta::Key::Protocol if family_base == Base::Link || left.is_inner() => {
                    let below = if family_proto == Proto::Netdev { Proto::Netdev } else { Proto::Ether };
                    self.set(Base::Network, below.upper(value).unwrap_or(Proto::Unknown));
                }
                _ => {}
            },
            // Only where the layer below is known (`ct_expr_pctx_update`)
            Kind::Ct(ct::Key::Protocol, _) => {
                if let Some(upper) = self.at(Base::Network).and_then(|below| below.upper(value)) {
                    self.set(Base::Transport, upper);
                }
            }
            Kind::Ct(ct::Key::L3Protocol, _) => {
                if let Some(upper) = self.at(Base::Link).and_then(|below| below.upper(value)) {
                    self.set(Base::Network, upper);
                }
            }
            Kind::Payload(payload) => {
                let Some((proto, field)) = payload.field else { return };
                if matches!(proto, Proto::Icmp | Proto::Icmpv6) && field == "type" {
                    self.icmp_type = u8::try_from(value).ok();
                }
                if proto.header().key != Some(field) {
                    return;
                }
                let Some(upper) = proto.upper(value) else { return };
                let base = upper.header().base;
                if base == proto.header().base && base == Base::Link {
                    self.stacked.push(proto);
                }
                self.set(base, upper);
            }
            _ => {}
        }
    }
}

impl Typed {
    /// Whether it is read inside a tunnel.
    pub fn is_inner(&self) -> bool {
        match &self.kind {
            Kind::Meta(_, inner) => inner.is_some(),
            Kind::Payload(payload) => payload.inner.is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::meta::meta_shape;

    fn meta(key: meta::Key) -> Typed {
        Typed::new(Kind::Meta(key, None), meta_shape(key))
    }

    #[test]
    fn families_know_where_they_begin() {
        assert_eq!(Protocols::new(Family::Ip).at(Base::Network), Some(Proto::Ip));
        assert_eq!(Protocols::new(Family::Inet).at(Base::Network), None);
        assert_eq!(Protocols::new(Family::Bridge).at(Base::Link), Some(Proto::Ether));
    }

    #[test]
    fn matches_tell_protocols() {
        let mut protocols = Protocols::new(Family::Inet);
        let nfproto = meta(meta::Key::Nfproto);
        protocols.learn(&nfproto, &Typed::number(10, nfproto.shape));
        assert_eq!(protocols.at(Base::Network), Some(Proto::Ip6));
        let l4proto = meta(meta::Key::L4proto);
        protocols.learn(&l4proto, &Typed::number(17, l4proto.shape));
        assert_eq!(protocols.at(Base::Transport), Some(Proto::Udp));
        protocols.learn(&l4proto, &Typed::number(6, l4proto.shape));
        assert_eq!(protocols.conflict(Base::Transport, Proto::Tcp), Some(Proto::Udp));
    }
}
