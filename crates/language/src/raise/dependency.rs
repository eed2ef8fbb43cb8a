//! Matches that later ones imply (`payload_dep_ctx` of nft): `meta l4proto tcp` before `tcp dport 22` need not be
//! listed, because it would be made again.

use ironweir_expr::Family;
use ironweir_expr::payload::Base;
use ironweir_expr::{ct, exthdr, meta};

use super::Raise;
use super::field::implied_icmp_type;
use crate::proto::Proto;
use crate::typed::{Kind, Payload, Typed};

/// For each layer the match that told which protocol it has.
#[derive(Clone, Debug, Default)]
pub(super) struct Dependencies {
    /// By [`layer`] of the protocol that the match told.
    by_layer: [Option<Dependency>; 6],
    /// The same inside the tunnel that matches look into.
    by_inner_layer: [Option<Dependency>; 6],
    /// The match of a type of ICMP message: statement and type.
    icmp_type: Option<(usize, u8)>,
}

#[derive(Clone, Debug)]
struct Dependency {
    /// Which statement.
    place: usize,
    left: Typed,
    value: u128,
}

/// Layers from below the link layer up.
fn layer(base: Base) -> usize {
    match base {
        Base::Link => 1,
        Base::Network => 2,
        Base::Transport => 3,
        Base::Inner | Base::Tunnel => 4,
    }
}

impl Dependencies {
    /// No match may be taken out any more.
    pub(super) fn forget(&mut self) {
        *self = Dependencies::default();
    }

    /// The statement that told a layer's protocol; from now on nothing is known of it.
    pub(super) fn release(&mut self, base: Base) -> Option<usize> {
        self.by_layer[layer(base)].take().map(|dependency| dependency.place)
    }

    fn layers(&mut self, inner: bool) -> &mut [Option<Dependency>; 6] {
        if inner { &mut self.by_inner_layer } else { &mut self.by_layer }
    }

    fn at(&self, base: Base, inner: bool) -> Option<&Dependency> {
        let layers = if inner { &self.by_inner_layer } else { &self.by_layer };
        layers[layer(base)].as_ref()
    }
}

/// At which layer a `meta` key tells the protocol of the one above it; `None` for keys that tell none.
fn meta_layer(key: meta::Key) -> Option<usize> {
    match key {
        meta::Key::Iiftype | meta::Key::Oiftype => Some(0),
        meta::Key::Protocol | meta::Key::Nfproto => Some(1),
        meta::Key::L4proto => Some(2),
        _ => None,
    }
}

impl Raise<'_> {
    /// Something is read from a header: the match that told which header that is may go.
    pub(super) fn kill_for(&mut self, typed: &Typed) {
        match &typed.kind {
            Kind::Ct(ct::Key::Src | ct::Key::Dst, _) => self.implied(Base::Network),
            Kind::Meta(_, Some(tunnel)) => self.kill_for_tunnel(*tunnel),
            Kind::Payload(Payload { inner: Some(tunnel), base, .. }) => {
                self.kill_for_tunnel(*tunnel);
                if self.payload_implies(typed) {
                    self.implied_inside(*base);
                }
            }
            Kind::Payload(payload) => {
                if self.payload_implies(typed) {
                    self.implied(payload.base);
                }
                let implied = payload.field.and_then(|(proto, field)| implied_icmp_type(proto, field));
                if let Some((place, told)) = self.dependencies.icmp_type
                    && implied == Some(told)
                {
                    self.stmts[place] = None;
                    self.dependencies.icmp_type = None;
                }
            }
            Kind::Exthdr(header) => match header.kind {
                exthdr::Kind::Tcpopt | exthdr::Kind::Sctp | exthdr::Kind::Dccp => {
                    self.implied(Base::Transport)
                }
                exthdr::Kind::Ipv6 | exthdr::Kind::Ipv4 => self.implied(Base::Network),
            },
            selector => {
                if let Some(base) = selector.implies() {
                    self.implied(base);
                }
            }
        }
    }

    /// Something is read inside a tunnel: that it is this tunnel needs no match where it is a protocol of its own.
    fn kill_for_tunnel(&mut self, tunnel: Proto) {
        let told = self.dependencies.at(Base::Transport, false).map(|dependency| dependency.value);
        if matches!(tunnel, Proto::Gre | Proto::Gretap) && told == Some(47) {
            self.implied(Base::Transport);
        }
    }

    fn implied_inside(&mut self, base: Base) {
        if let Some(dependency) = self.dependencies.by_inner_layer[layer(base)].take() {
            self.stmts[dependency.place] = None;
        }
    }

    /// A type of ICMP message was raised as the statement at `place`: a field that only such messages have implies it.
    pub(super) fn note_icmp_type(&mut self, value: u128, place: usize) {
        self.dependencies.icmp_type = u8::try_from(value).ok().map(|t| (place, t));
    }

    /// An equality was raised as the statement at `place`: it may imply an earlier match, and be implied by a later one.
    pub(super) fn note_equality(&mut self, left: &Typed, value: u128, place: usize) {
        let told = match &left.kind {
            Kind::Meta(key, inner) => {
                let Some(layer) = meta_layer(*key) else { return };
                if *key == meta::Key::L4proto && self.l4proto_implies(value, inner.is_some()) {
                    match inner {
                        Some(_) => self.implied_inside(Base::Network),
                        None => self.implied(Base::Network),
                    }
                }
                layer + 1
            }
            Kind::Payload(payload) => match payload.field {
                Some((proto, field)) if proto.header().key == Some(field) => {
                    let upper = u64::try_from(value).ok().and_then(|value| proto.upper(value));
                    let stacked = upper.is_some_and(|upper| upper.header().base == proto.header().base);
                    layer(payload.base) + usize::from(!stacked)
                }
                _ => return,
            },
            _ => return,
        };
        let needed = !left.is_inner() && self.is_needed(left, told, value);
        self.dependencies.layers(left.is_inner())[told] =
            (!needed).then(|| Dependency { place, left: left.clone(), value });
    }

    /// Whether a match that tells a protocol cannot be left out, since what comes behind it is refused without it: of a
    /// protocol that the family does not have, or a tag behind matches of higher layers.
    fn is_needed(&self, left: &Typed, told: usize, value: u128) -> bool {
        let is_tag =
            matches!(&left.kind, Kind::Payload(field) if field.base == Base::Link && value == 0x8100);
        if is_tag && self.protocols.learned(Base::Network) {
            return true;
        }
        // DIVERGES: nft lists `arp` rules as `tcp dport 22` that it accepts only behind `meta l4proto tcp`.
        let own = match self.scope.family {
            Family::Ip => (2, 0x0800),
            Family::Ip6 => (10, 0x86dd),
            Family::Arp if told == layer(Base::Transport) => return true,
            Family::Arp => (3, 0x0806),
            // ARP is no protocol of this family: nothing implies it again
            Family::Inet => return told == layer(Base::Network) && value == 0x0806,
            _ => return false,
        };
        let nfproto = matches!(left.kind, Kind::Meta(meta::Key::Nfproto, _));
        told == layer(Base::Network) && value != if nfproto { own.0 } else { own.1 }
    }

    /// Whether writing this field alone would make the match that told its protocol.
    fn payload_implies(&self, typed: &Typed) -> bool {
        let Kind::Payload(payload) = &typed.kind else { return false };
        let inner = payload.inner.is_some();
        let Some(dependency) = self.dependencies.at(payload.base, inner) else { return false };
        let Some((proto, field)) = payload.field else { return false };
        if proto == Proto::Vlan && proto.header().key == Some(field) {
            // It may go itself, and then nothing would tell that there is a tag.
            return false;
        }
        let below = match &dependency.left.kind {
            Kind::Payload(payload) => payload.field,
            _ => None,
        };
        match (payload.base, below) {
            (Base::Link, Some((Proto::Vlan, _))) => false,
            (Base::Link, Some((Proto::Ether, _))) => dependency.value == 0x8100,
            (Base::Transport, Some((network @ (Proto::Ip | Proto::Ip6), _))) => match self.scope.family {
                Family::Inet | Family::Bridge | Family::Netdev => false,
                _ => !matches!((network, proto), (Proto::Ip, Proto::Icmpv6) | (Proto::Ip6, Proto::Icmp)),
            },
            (Base::Transport, _) if proto == Proto::Th => false,
            _ => true,
        }
    }

    /// Whether a match of the transport protocol implies the one of the network protocol before it.
    fn l4proto_implies(&self, l4proto: u128, inner: bool) -> bool {
        let Some(dependency) = self.dependencies.at(Base::Network, inner) else { return false };
        let network = match (&dependency.left.kind, dependency.value) {
            (Kind::Meta(meta::Key::Nfproto, _), 2) => Proto::Ip,
            (Kind::Meta(meta::Key::Nfproto, _), 10) => Proto::Ip6,
            (_, 0x0800) => Proto::Ip,
            (_, 0x86dd) => Proto::Ip6,
            _ => return false,
        };
        match self.scope.family {
            // Their packets are of this protocol anyway.
            Family::Ip if !inner => network == Proto::Ip,
            Family::Ip6 if !inner => network == Proto::Ip6,
            _ => matches!((l4proto, network), (1, Proto::Ip) | (58, Proto::Ip6)),
        }
    }
}
