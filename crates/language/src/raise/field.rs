//! Which field of which header a load is.

use ironweir_expr::exthdr;
use ironweir_expr::payload::Base;

use super::Raise;
use crate::proto::{
    Exthdr as Ipv6Header, Field, Proto, exthdr_by_name, ip_option_by_number, sctp_chunk_by_number,
    tcp_options_by_number,
};
use crate::typed::{Exthdr, Kind, Payload, Shape, Typed};

/// Words for the headers that share the number of the routing header.
const ROUTING: [&str; 4] = ["rt", "srh", "rt0", "rt2"];

/// Types of ICMP messages that have a field; empty where all have it.
fn icmp_types(proto: Proto, field: &str) -> &'static [u8] {
    match (proto, field) {
        (Proto::Icmp, "id" | "sequence") => &[0, 8],
        (Proto::Icmp, "gateway") => &[5],
        (Proto::Icmp, "mtu") => &[3],
        (Proto::Icmpv6, "id" | "sequence") => &[128, 129],
        (Proto::Icmpv6, "mtu") => &[2],
        (Proto::Icmpv6, "parameter-problem") => &[4],
        (Proto::Icmpv6, "max-delay") => &[130],
        (Proto::Icmpv6, "taddr") => &[130, 131, 132, 135, 136, 137],
        (Proto::Icmpv6, "daddr") => &[137],
        _ => &[],
    }
}

/// The one type of ICMP message that a field implies.
pub(super) fn implied_icmp_type(proto: Proto, field: &str) -> Option<u8> {
    match icmp_types(proto, field) {
        [one] => Some(*one),
        _ => None,
    }
}

impl Raise<'_> {
    /// Loads become fields, and matches that writing those fields implies are taken out.
    pub(crate) fn resolved(&mut self, typed: Typed) -> Typed {
        let typed = self.completed(typed);
        self.kill_deep(&typed);
        typed
    }

    fn kill_deep(&mut self, typed: &Typed) {
        match &typed.kind {
            Kind::Binary(_, left, right) | Kind::Map(left, right) => {
                self.kill_deep(left);
                self.kill_deep(right);
            }
            Kind::Concat(parts) => parts.iter().for_each(|part| self.kill_deep(part)),
            _ => self.kill_for(typed),
        }
    }

    /// Loads become fields.
    pub(super) fn completed(&self, typed: Typed) -> Typed {
        let shape = typed.shape;
        match typed.kind {
            Kind::Payload(payload) if payload.field.is_none() => self.payload_field(payload, typed),
            Kind::Exthdr(header) if header.name.is_none() => self.exthdr_field(header, typed),
            Kind::Binary(..) => match self.trimmed(&typed) {
                Some((field, 0)) => field,
                _ => match typed.kind {
                    Kind::Binary(op, left, right) => {
                        let left = self.completed(*left);
                        let right = self.completed(*right);
                        super::mask::binary_of(op, left, right, shape)
                    }
                    _ => typed,
                },
            },
            Kind::Concat(parts) => {
                let parts = parts.into_iter().map(|part| self.completed(part)).collect();
                Typed { kind: Kind::Concat(parts), ..typed }
            }
            _ => typed,
        }
    }

    fn payload_field(&self, payload: Payload, typed: Typed) -> Typed {
        match self.field_at(&payload, payload.offset, typed.shape.bits) {
            Some((proto, field)) => field_typed(payload, proto, field, &typed),
            None => Typed { shape: Shape { hex: true, ..typed.shape }, ..typed },
        }
    }

    /// The field that begins at a bit and is so many bits wide.
    pub(super) fn field_at(
        &self,
        payload: &Payload,
        offset: u32,
        bits: u32,
    ) -> Option<(Proto, &'static Field)> {
        let (proto, within) = self.header_at(payload, offset)?;
        let field = proto.header().fields.iter().find(|field| {
            (field.offset, field.bits) == (within, bits) && self.has_icmp_field(proto, field.name)
        })?;
        Some((proto, field))
    }

    /// The field that begins at a bit, whatever its width.
    pub(super) fn field_from(&self, payload: &Payload, offset: u32) -> Option<(Proto, &'static Field)> {
        let (proto, within) = self.header_at(payload, offset)?;
        let field = proto
            .header()
            .fields
            .iter()
            .find(|field| field.offset == within && self.has_icmp_field(proto, field.name))?;
        Some((proto, field))
    }

    fn has_icmp_field(&self, proto: Proto, field: &str) -> bool {
        let types = icmp_types(proto, field);
        types.is_empty() || self.protocols.icmp_type.is_some_and(|t| types.contains(&t))
    }

    /// The header in which a bit lies, and its place there.
    fn header_at(&self, payload: &Payload, offset: u32) -> Option<(Proto, u32)> {
        let known = match payload.inner {
            None => &self.protocols,
            Some(_) => &self.inner_protocols,
        };
        match (payload.base, known.at(payload.base)) {
            (Base::Tunnel, _) => payload.inner.map(|tunnel| (tunnel, offset)),
            (Base::Link, Some(proto)) => {
                let mut begin = 0;
                for stacked in &known.stacked {
                    let bits = stacked.header().bits;
                    if offset < begin + bits {
                        return Some((*stacked, offset - begin));
                    }
                    begin += bits;
                }
                Some((proto, offset - begin))
            }
            (Base::Link, None) if payload.inner.is_some() => Some((Proto::Ether, offset)),
            (Base::Transport, None) => Some((Proto::Th, offset)),
            (_, Some(proto)) => Some((proto, offset)),
            (_, None) => None,
        }
    }

    fn exthdr_field(&self, header: Exthdr, typed: Typed) -> Typed {
        let found = self.exthdr_at(&header, header.offset, typed.shape.bits);
        match found {
            Some((name, field)) => exthdr_typed(header, name, field, &typed),
            None => typed,
        }
    }

    /// The field of an optional header of which a load reads only the beginning.
    pub(super) fn begun_field(&self, load: &Typed) -> Option<Typed> {
        let Kind::Exthdr(header) = &load.kind else { return None };
        let (offset, bits) = (header.offset, load.shape.bits);
        if header.present || header.name.is_some() || self.exthdr_at(header, offset, bits).is_some() {
            return None;
        }
        let found = (bits + 8..=128).step_by(8).find_map(|bits| self.exthdr_at(header, offset, bits))?;
        let (name, field) = found;
        Some(exthdr_typed(*header, name, field, load))
    }

    /// The word for a header or option, and its field that begins at a bit and is so many bits wide.
    pub(super) fn exthdr_at(
        &self,
        header: &Exthdr,
        offset: u32,
        bits: u32,
    ) -> Option<(&'static str, Option<&'static Field>)> {
        let field = |fields: &'static [Field]| {
            fields.iter().find(|field| (field.offset, field.bits) == (offset, bits))
        };
        let whole = |name, fields: &'static [Field]| match header.present {
            true => Some((name, None)),
            false => Some((name, Some(field(fields)?))),
        };
        match header.kind {
            exthdr::Kind::Ipv6 => {
                Self::ipv6_headers(header.header).find_map(|desc| whole(desc.name, desc.fields))
            }
            exthdr::Kind::Tcpopt => {
                tcp_options_by_number(header.header).find_map(|desc| whole(desc.name, desc.fields))
            }
            exthdr::Kind::Ipv4 => {
                ip_option_by_number(header.header).and_then(|desc| whole(desc.name, desc.fields))
            }
            exthdr::Kind::Sctp => {
                sctp_chunk_by_number(header.header).and_then(|desc| whole(desc.name, desc.fields))
            }
            exthdr::Kind::Dccp => None,
        }
    }

    /// Headers of a number, in the order in which nft tries them: what a routing header is would depend on its type.
    fn ipv6_headers(number: u8) -> impl Iterator<Item = &'static Ipv6Header> {
        let names: &[&str] = match number {
            0 => &["hbh"],
            43 => &ROUTING,
            44 => &["frag"],
            60 => &["dst"],
            135 => &["mh"],
            _ => &[],
        };
        names.iter().filter_map(|name| exthdr_by_name(name))
    }
}

/// A load that is a field.
pub(super) fn field_typed(payload: Payload, proto: Proto, field: &Field, typed: &Typed) -> Typed {
    let mut typed = typed.clone();
    typed.kind = Kind::Payload(Payload { field: Some((proto, field.name)), ..payload });
    typed.shape = Shape { datatype: field.datatype, bits: field.bits, hex: false, ..typed.shape };
    typed
}

/// A load that is a field of an optional header.
pub(super) fn exthdr_typed(
    header: Exthdr,
    name: &'static str,
    field: Option<&'static Field>,
    typed: &Typed,
) -> Typed {
    let mut typed = typed.clone();
    typed.kind = Kind::Exthdr(Exthdr { name: Some(name), field: field.map(|field| field.name), ..header });
    if let Some(field) = field {
        typed.shape.datatype = field.datatype;
        typed.shape.bits = field.bits;
    }
    typed
}
