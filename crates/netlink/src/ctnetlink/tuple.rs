//! Tuples: which packets a direction of a connection has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Unknown;
use crate::{Attribute, Attributes, DecodeError, Writer};

/// `CTA_TUPLE_IP`, `CTA_TUPLE_PROTO`, `CTA_TUPLE_ZONE`.
const IP: u16 = 1;
const PROTO: u16 = 2;
const ZONE: u16 = 3;

/// `CTA_IP_V4_SRC` and the following.
const V4_SRC: u16 = 1;
const V4_DST: u16 = 2;
const V6_SRC: u16 = 3;
const V6_DST: u16 = 4;

/// `CTA_PROTO_NUM` and the following; ICMPv6 has numbers of its own.
const NUM: u16 = 1;
const SRC_PORT: u16 = 2;
const DST_PORT: u16 = 3;
const ICMP_ID: u16 = 4;
const ICMP_TYPE: u16 = 5;
const ICMP_CODE: u16 = 6;
const ICMPV6_ID: u16 = 7;
const ICMPV6_TYPE: u16 = 8;
const ICMPV6_CODE: u16 = 9;

/// IPPROTO_ICMPV6 of `linux/in6.h`.
const ICMPV6: u8 = 58;

/// Which packets a direction has, or a part of it where a request names only some fields
/// (`enum ctattr_tuple`; `net/netfilter/nf_conntrack_netlink.c, ctnetlink_parse_tuple_filter`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Source address.
    pub source: Option<IpAddr>,
    /// Destination address.
    pub destination: Option<IpAddr>,
    /// Transport protocol (`CTA_PROTO_NUM`), a number of `/etc/protocols`.
    pub protocol: Option<u8>,
    /// Source port; for GRE the source key.
    pub source_port: Option<u16>,
    /// Destination port; for GRE the destination key.
    pub destination_port: Option<u16>,
    /// ICMP or ICMPv6 type.
    pub icmp_type: Option<u8>,
    /// ICMP or ICMPv6 code.
    pub icmp_code: Option<u8>,
    /// Identifier of an ICMP or ICMPv6 query.
    pub icmp_id: Option<u16>,
    /// Zone of this direction alone (`CTA_TUPLE_ZONE`).
    pub zone: Option<u16>,
    /// What a newer peer says besides.
    pub unknown: Unknown,
    /// What it says besides among the addresses.
    pub unknown_addresses: Unknown,
    /// What it says besides about the protocol.
    pub unknown_protocol: Unknown,
}

impl Tuple {
    /// Reads a nest.
    pub fn decode(nest: &Attribute<'_>) -> Result<Tuple, DecodeError> {
        let mut tuple = Tuple::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                IP => tuple.decode_addresses(attribute.nested())?,
                PROTO => tuple.decode_protocol(attribute.nested())?,
                ZONE => tuple.zone = Some(attribute.u16_be()?),
                _ => tuple.unknown.keep(&attribute)?,
            }
        }
        Ok(tuple)
    }

    fn decode_addresses(&mut self, attributes: Attributes<'_>) -> Result<(), DecodeError> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                V4_SRC => self.source = Some(v4(&attribute)?),
                V4_DST => self.destination = Some(v4(&attribute)?),
                V6_SRC => self.source = Some(v6(&attribute)?),
                V6_DST => self.destination = Some(v6(&attribute)?),
                _ => self.unknown_addresses.keep(&attribute)?,
            }
        }
        Ok(())
    }

    fn decode_protocol(&mut self, attributes: Attributes<'_>) -> Result<(), DecodeError> {
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                NUM => self.protocol = Some(attribute.u8()?),
                SRC_PORT => self.source_port = Some(attribute.u16_be()?),
                DST_PORT => self.destination_port = Some(attribute.u16_be()?),
                ICMP_ID | ICMPV6_ID => self.icmp_id = Some(attribute.u16_be()?),
                ICMP_TYPE | ICMPV6_TYPE => self.icmp_type = Some(attribute.u8()?),
                ICMP_CODE | ICMPV6_CODE => self.icmp_code = Some(attribute.u8()?),
                _ => self.unknown_protocol.keep(&attribute)?,
            }
        }
        Ok(())
    }

    /// Writes it as a nest of this type.
    pub fn encode(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |w| {
            if self.source.is_some() || self.destination.is_some() || !self.unknown_addresses.is_empty() {
                w.nest(IP, |w| {
                    put_address(w, [V4_SRC, V6_SRC], self.source);
                    put_address(w, [V4_DST, V6_DST], self.destination);
                    self.unknown_addresses.encode(w);
                });
            }
            if self.names_protocol() {
                w.nest(PROTO, |w| self.encode_protocol(w));
            }
            if let Some(zone) = self.zone {
                w.put_u16_be(ZONE, zone);
            }
            self.unknown.encode(w);
        });
    }

    /// Whether it says anything about the protocol.
    fn names_protocol(&self) -> bool {
        self.protocol.is_some()
            || self.source_port.is_some()
            || self.destination_port.is_some()
            || self.icmp_type.is_some()
            || self.icmp_code.is_some()
            || self.icmp_id.is_some()
            || !self.unknown_protocol.is_empty()
    }

    fn encode_protocol(&self, w: &mut Writer<'_>) {
        if let Some(protocol) = self.protocol {
            w.put_u8(NUM, protocol);
        }
        if let Some(port) = self.source_port {
            w.put_u16_be(SRC_PORT, port);
        }
        if let Some(port) = self.destination_port {
            w.put_u16_be(DST_PORT, port);
        }
        let [id, kind, code] = match self.protocol {
            Some(ICMPV6) => [ICMPV6_ID, ICMPV6_TYPE, ICMPV6_CODE],
            _ => [ICMP_ID, ICMP_TYPE, ICMP_CODE],
        };
        if let Some(value) = self.icmp_id {
            w.put_u16_be(id, value);
        }
        if let Some(value) = self.icmp_type {
            w.put_u8(kind, value);
        }
        if let Some(value) = self.icmp_code {
            w.put_u8(code, value);
        }
        self.unknown_protocol.encode(w);
    }
}

fn v4(attribute: &Attribute<'_>) -> Result<IpAddr, DecodeError> {
    attribute.array::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)))
}

fn v6(attribute: &Attribute<'_>) -> Result<IpAddr, DecodeError> {
    attribute.array::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
}

/// Puts an address under the first type if it is IPv4, under the second if IPv6.
pub(super) fn put_address(w: &mut Writer<'_>, [four, six]: [u16; 2], address: Option<IpAddr>) {
    match address {
        Some(IpAddr::V4(address)) => w.put(four, &address.octets()),
        Some(IpAddr::V6(address)) => w.put(six, &address.octets()),
        None => {}
    }
}
