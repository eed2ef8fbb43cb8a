//! Connections: what the table holds, what events tell and what requests change.

use super::{Counters, Help, Labels, Nat, ProtoInfo, SeqAdjust, Status, Synproxy, Timestamp, Tuple, Unknown};
use crate::{Attribute, Attributes, DecodeError, Writer};

/// A connection, or the parts of one that a message names (`enum ctattr_type`). Every part is optional: a request names
/// what it changes, an event what has changed, a dump what the kernel's configuration keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// `CTA_TUPLE_ORIG`.
    pub original: Option<Tuple>,
    /// `CTA_TUPLE_REPLY`.
    pub reply: Option<Tuple>,
    /// `CTA_TUPLE_MASTER`: the connection that expected this one.
    pub master: Option<Tuple>,
    /// `CTA_STATUS`.
    pub status: Option<Status>,
    /// `CTA_STATUS_MASK`: the bits that a dump shall compare.
    pub status_mask: Option<Status>,
    /// `CTA_PROTOINFO`.
    pub protoinfo: Option<ProtoInfo>,
    /// `CTA_HELP`.
    pub help: Option<Help>,
    /// `CTA_NAT_SRC`, in requests only.
    pub nat_source: Option<Nat>,
    /// `CTA_NAT_DST`, in requests only.
    pub nat_destination: Option<Nat>,
    /// `CTA_TIMEOUT`: seconds that are left.
    pub timeout: Option<u32>,
    /// `CTA_MARK`.
    pub mark: Option<u32>,
    /// `CTA_MARK_MASK`: the bits that a change touches, or a dump compares.
    pub mark_mask: Option<u32>,
    /// `CTA_COUNTERS_ORIG`, `CTA_COUNTERS_REPLY`.
    pub counters: [Option<Counters>; 2],
    /// `CTA_USE`: references.
    pub uses: Option<u32>,
    /// `CTA_ID`.
    pub id: Option<u32>,
    /// `CTA_SEQ_ADJ_ORIG`, `CTA_SEQ_ADJ_REPLY`.
    pub seq_adjust: [Option<SeqAdjust>; 2],
    /// `CTA_SECMARK`, of old kernels.
    pub secmark: Option<u32>,
    /// `CTA_ZONE`, of both directions.
    pub zone: Option<u16>,
    /// `CTA_SECCTX`: the name of the security mark.
    pub security_context: Option<Box<str>>,
    /// `CTA_TIMESTAMP`.
    pub timestamp: Option<Timestamp>,
    /// `CTA_LABELS`.
    pub labels: Option<Labels>,
    /// `CTA_LABELS_MASK`: the bits that a change touches.
    pub labels_mask: Option<Labels>,
    /// `CTA_SYNPROXY`.
    pub synproxy: Option<Synproxy>,
    /// `CTA_FILTER`: which fields of the tuples a dump or flush compares.
    pub filter: Option<TupleFilter>,
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

/// `CTA_FILTER`: the fields of the tuples that a dump compares, a bit each: 1 << (`CTA_IP_SRC` 0, `CTA_IP_DST` 1,
/// `CTA_TUPLE_ZONE` 2, `CTA_PROTO_NUM` 3, `CTA_PROTO_SRC_PORT` 4, `_DST_PORT` 5, ICMP type 6, code 7, id 8, ICMPv6 type 9,
/// code 10, id 11) (`net/netfilter/nf_internals.h`, `CTA_FILTER_F_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TupleFilter {
    /// Of the original direction; host order on the wire.
    pub original: Option<u32>,
    /// Of the reply direction; host order on the wire.
    pub reply: Option<u32>,
}

impl TupleFilter {
    /// The source address is compared (`CTA_FILTER_F_CTA_IP_SRC`).
    pub const SOURCE: u32 = 1 << 0;
    /// The destination address is compared.
    pub const DESTINATION: u32 = 1 << 1;
    /// The direction's zone is compared.
    pub const ZONE: u32 = 1 << 2;
    /// The protocol is compared.
    pub const PROTOCOL: u32 = 1 << 3;
    /// The source port is compared.
    pub const SOURCE_PORT: u32 = 1 << 4;
    /// The destination port is compared.
    pub const DESTINATION_PORT: u32 = 1 << 5;

    fn decode(nest: &Attribute<'_>) -> Result<TupleFilter, DecodeError> {
        let mut filter = TupleFilter::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => filter.original = Some(attribute.u32_host()?),
                2 => filter.reply = Some(attribute.u32_host()?),
                _ => {}
            }
        }
        Ok(filter)
    }

    fn encode(&self, kind: u16, w: &mut Writer<'_>) {
        w.nest(kind, |w| {
            for (kind, flags) in [(1, self.original), (2, self.reply)] {
                if let Some(flags) = flags {
                    w.put_u32_host(kind, flags);
                }
            }
        });
    }
}

/// Labels on the wire, or the error that there are too many.
fn labels(attribute: &Attribute<'_>) -> Result<Option<Labels>, DecodeError> {
    Labels::new(attribute.value).map(Some).ok_or_else(|| attribute.wrong_length())
}

impl Flow {
    /// Reads a message's attributes.
    pub fn decode(attributes: Attributes<'_>) -> Result<Flow, DecodeError> {
        let mut flow = Flow::default();
        for attribute in attributes {
            flow.decode_attribute(&attribute?)?;
        }
        Ok(flow)
    }

    fn decode_attribute(&mut self, a: &Attribute<'_>) -> Result<(), DecodeError> {
        match a.kind {
            1 => self.original = Some(Tuple::decode(a)?),
            2 => self.reply = Some(Tuple::decode(a)?),
            3 => self.status = Some(Status(a.u32_be()?)),
            4 => self.protoinfo = Some(ProtoInfo::decode(a)?),
            5 => self.help = Some(Help::decode(a)?),
            6 => self.nat_source = Some(Nat::decode(a)?),
            7 => self.timeout = Some(a.u32_be()?),
            8 => self.mark = Some(a.u32_be()?),
            9 => self.counters[0] = Some(Counters::decode(a)?),
            10 => self.counters[1] = Some(Counters::decode(a)?),
            11 => self.uses = Some(a.u32_be()?),
            12 => self.id = Some(a.u32_be()?),
            13 => self.nat_destination = Some(Nat::decode(a)?),
            14 => self.master = Some(Tuple::decode(a)?),
            15 => self.seq_adjust[0] = Some(SeqAdjust::decode(a)?),
            16 => self.seq_adjust[1] = Some(SeqAdjust::decode(a)?),
            17 => self.secmark = Some(a.u32_be()?),
            18 => self.zone = Some(a.u16_be()?),
            19 => {
                let name = a.nested().require(1)?;
                self.security_context = Some(name.str()?.into());
            }
            20 => self.timestamp = Some(Timestamp::decode(a)?),
            21 => self.mark_mask = Some(a.u32_be()?),
            22 => self.labels = labels(a)?,
            23 => self.labels_mask = labels(a)?,
            24 => self.synproxy = Some(Synproxy::decode(a)?),
            25 => self.filter = Some(TupleFilter::decode(a)?),
            26 => self.status_mask = Some(Status(a.u32_be()?)),
            _ => self.unknown.keep(a)?,
        }
        Ok(())
    }

    /// Puts its attributes into a message.
    pub fn encode(&self, w: &mut Writer<'_>) {
        for (kind, tuple) in [(1, &self.original), (2, &self.reply), (14, &self.master)] {
            if let Some(tuple) = tuple {
                tuple.encode(kind, w);
            }
        }
        let status = self.status.map(|status| status.0);
        let status_mask = self.status_mask.map(|status| status.0);
        let numbers = [
            (3, status),
            (26, status_mask),
            (7, self.timeout),
            (8, self.mark),
            (21, self.mark_mask),
            (11, self.uses),
            (12, self.id),
            (17, self.secmark),
        ];
        for (kind, number) in numbers {
            if let Some(number) = number {
                w.put_u32_be(kind, number);
            }
        }
        if let Some(zone) = self.zone {
            w.put_u16_be(18, zone);
        }
        if let Some(protoinfo) = &self.protoinfo {
            protoinfo.encode(4, w);
        }
        self.encode_extensions(w);
        self.unknown.encode(w);
    }

    fn encode_extensions(&self, w: &mut Writer<'_>) {
        if let Some(help) = &self.help {
            help.encode(5, w);
        }
        for (kind, nat) in [(6, &self.nat_source), (13, &self.nat_destination)] {
            if let Some(nat) = nat {
                nat.encode(kind, w);
            }
        }
        for (kind, counters) in (9..).zip(self.counters) {
            if let Some(counters) = counters {
                counters.encode(kind, w);
            }
        }
        for (kind, adjust) in (15..).zip(self.seq_adjust) {
            if let Some(adjust) = adjust {
                adjust.encode(kind, w);
            }
        }
        if let Some(name) = &self.security_context {
            w.nest(19, |w| w.put_str(1, name));
        }
        if let Some(timestamp) = &self.timestamp {
            timestamp.encode(20, w);
        }
        for (kind, labels) in [(22, &self.labels), (23, &self.labels_mask)] {
            if let Some(labels) = labels {
                w.put(kind, labels.as_bytes());
            }
        }
        if let Some(synproxy) = &self.synproxy {
            synproxy.encode(24, w);
        }
        if let Some(filter) = &self.filter {
            filter.encode(25, w);
        }
    }
}
