//! Traces: what became of a packet that has `meta nftrace` set (`net/netfilter/nf_tables_trace.c`).

use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use super::{Unknown, handle, name, required};
use crate::{ChainRef, Family, Handle, Policy, TableId, Verdict};

/// `NFTA_TRACE_TABLE`.
const TABLE: u16 = 1;
/// `NFTA_TRACE_CHAIN`.
const CHAIN: u16 = 2;
/// `NFTA_TRACE_RULE_HANDLE`.
const RULE_HANDLE: u16 = 3;
/// `NFTA_TRACE_TYPE`.
const TYPE: u16 = 4;
/// `NFTA_TRACE_VERDICT`.
const VERDICT: u16 = 5;
/// `NFTA_TRACE_ID`.
const ID: u16 = 6;
/// `NFTA_TRACE_LL_HEADER`.
const LL_HEADER: u16 = 7;
/// `NFTA_TRACE_NETWORK_HEADER`.
const NETWORK_HEADER: u16 = 8;
/// `NFTA_TRACE_TRANSPORT_HEADER`.
const TRANSPORT_HEADER: u16 = 9;
/// `NFTA_TRACE_IIF`.
const IIF: u16 = 10;
/// `NFTA_TRACE_IIFTYPE`.
const IIFTYPE: u16 = 11;
/// `NFTA_TRACE_OIF`.
const OIF: u16 = 12;
/// `NFTA_TRACE_OIFTYPE`.
const OIFTYPE: u16 = 13;
/// `NFTA_TRACE_MARK`.
const MARK: u16 = 14;
/// `NFTA_TRACE_NFPROTO`.
const NFPROTO: u16 = 15;
/// `NFTA_TRACE_POLICY`.
const POLICY: u16 = 16;
/// `NFTA_TRACE_PAD`.
const PAD: u16 = 17;
/// `NFTA_TRACE_CT_ID` (Linux 6.16).
const CT_ID: u16 = 18;
/// `NFTA_TRACE_CT_DIRECTION`.
const CT_DIRECTION: u16 = 19;
/// `NFTA_TRACE_CT_STATUS`.
const CT_STATUS: u16 = 20;
/// `NFTA_TRACE_CT_STATE`.
const CT_STATE: u16 = 21;

/// `NFTA_VERDICT_CODE`, of a verdict whose chain has gone.
const VERDICT_CODE: u16 = 1;

/// One step of a packet (`NFT_MSG_TRACE`).
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Table of the chain.
    pub table: TableId,
    /// Name of the chain.
    pub chain: Option<Box<str>>,
    /// The packet's number: the same in every step of it.
    pub id: u32,
    /// What the step is.
    pub kind: TraceType,
    /// The rule, for [`TraceType::Rule`] and for [`TraceType::Return`] at the end of a chain.
    pub rule: Option<Handle>,
    /// The verdict of the rule, or of what the chain returned to.
    pub verdict: Option<Verdict>,
    /// The policy, for [`TraceType::Policy`].
    pub policy: Option<Policy>,
    /// `NFPROTO_*` of the packet's hook, where the table's family does not say it.
    pub nfproto: Option<u32>,
    /// Mark of the packet, if it is not 0.
    pub mark: Option<u32>,
    /// Device that it came in on: number and `ARPHRD_*` type.
    pub iif: Option<(u32, Option<u16>)>,
    /// Device that it leaves by.
    pub oif: Option<(u32, Option<u16>)>,
    /// The beginning of its link-layer header. Headers come with the first step of a packet in each base chain.
    pub link: Box<[u8]>,
    /// The beginning of its network header.
    pub network: Box<[u8]>,
    /// The beginning of its transport header.
    pub transport: Box<[u8]>,
    /// Its connection.
    pub connection: Option<TraceConnection>,
    /// Attributes of a newer peer.
    pub unknown: Unknown,
}

/// What a trace says of the packet's connection (Linux 6.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceConnection {
    /// Its number (`NFTA_TRACE_CT_ID`), as `CTA_ID` has it.
    pub id: Option<u32>,
    /// Direction of the packet: 0 original, 1 reply (`NFTA_TRACE_CT_DIRECTION`).
    pub direction: Option<u8>,
    /// `IPS_*` bits (`NFTA_TRACE_CT_STATUS`).
    pub status: Option<u32>,
    /// `NF_CT_STATE_*` bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked (`NFTA_TRACE_CT_STATE`).
    pub state: Option<u32>,
}

/// `enum nft_trace_types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceType {
    /// No rule of a base chain decided (`NFT_TRACETYPE_POLICY`).
    Policy,
    /// The end of a chain was reached, or a rule returned from it (`NFT_TRACETYPE_RETURN`).
    Return,
    /// A rule matched (`NFT_TRACETYPE_RULE`).
    Rule,
    /// One of a newer peer.
    Other(u32),
}

impl TraceType {
    fn number(self) -> u32 {
        match self {
            TraceType::Policy => 1,
            TraceType::Return => 2,
            TraceType::Rule => 3,
            TraceType::Other(number) => number,
        }
    }

    fn from_number(number: u32) -> TraceType {
        match number {
            1 => TraceType::Policy,
            2 => TraceType::Return,
            3 => TraceType::Rule,
            other => TraceType::Other(other),
        }
    }
}

impl Trace {
    /// A step of a packet, of which nothing more is known.
    pub fn new(table: TableId, id: u32, kind: TraceType) -> Trace {
        Trace {
            table,
            chain: None,
            id,
            kind,
            rule: None,
            verdict: None,
            policy: None,
            nfproto: None,
            mark: None,
            iif: None,
            oif: None,
            link: Box::default(),
            network: Box::default(),
            transport: Box::default(),
            connection: None,
            unknown: Unknown::default(),
        }
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        writer.put_u32_be(ID, self.id);
        writer.put_u32_be(TYPE, self.kind.number());
        writer.put_str(TABLE, &self.table.name);
        if let Some(chain) = &self.chain {
            writer.put_str(CHAIN, chain);
        }
        if let Some(rule) = self.rule {
            writer.put_u64_be(RULE_HANDLE, rule.0);
        }
        if let Some(verdict) = &self.verdict {
            writer.nest(VERDICT, |writer| verdict.encode(writer));
        }
        if let Some(policy) = self.policy {
            writer.put_u32_be(POLICY, u32::from(policy == Policy::Accept));
        }
        for (kind, number) in [(NFPROTO, self.nfproto), (MARK, self.mark)] {
            if let Some(number) = number {
                writer.put_u32_be(kind, number);
            }
        }
        for (kind, kind_type, device) in [(IIF, IIFTYPE, self.iif), (OIF, OIFTYPE, self.oif)] {
            if let Some((index, device_type)) = device {
                writer.put_u32_be(kind, index);
                if let Some(device_type) = device_type {
                    writer.put_u16_be(kind_type, device_type);
                }
            }
        }
        let headers =
            [(LL_HEADER, &self.link), (NETWORK_HEADER, &self.network), (TRANSPORT_HEADER, &self.transport)];
        for (kind, header) in headers {
            if !header.is_empty() {
                writer.put(kind, header);
            }
        }
        if let Some(connection) = &self.connection {
            connection.put(writer);
        }
        self.unknown.put(writer);
    }

    pub(super) fn read(family: Family, attributes: Attributes<'_>) -> Result<Trace, DecodeError> {
        let (mut table, mut id, mut kind) = (None, None, None);
        let (mut iiftype, mut oiftype) = (None, None);
        let mut trace = Trace::new(TableId::new(family, ""), 0, TraceType::Other(0));
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                TABLE => table = Some(name(&attribute)?),
                CHAIN => trace.chain = Some(name(&attribute)?),
                RULE_HANDLE => trace.rule = Some(handle(&attribute)?),
                TYPE => kind = Some(TraceType::from_number(attribute.u32_be()?)),
                VERDICT => trace.verdict = Some(verdict(&attribute)?),
                ID => id = Some(attribute.u32_be()?),
                LL_HEADER => trace.link = attribute.value.into(),
                NETWORK_HEADER => trace.network = attribute.value.into(),
                TRANSPORT_HEADER => trace.transport = attribute.value.into(),
                IIF => trace.iif = Some((attribute.u32_be()?, None)),
                IIFTYPE => iiftype = Some(attribute.u16_be()?),
                OIF => trace.oif = Some((attribute.u32_be()?, None)),
                OIFTYPE => oiftype = Some(attribute.u16_be()?),
                MARK => trace.mark = Some(attribute.u32_be()?),
                NFPROTO => trace.nfproto = Some(attribute.u32_be()?),
                POLICY => {
                    let accept = attribute.u32_be()? == 1;
                    trace.policy = Some(if accept { Policy::Accept } else { Policy::Drop });
                }
                CT_ID | CT_DIRECTION | CT_STATUS | CT_STATE => {
                    trace.connection.get_or_insert_default().take(&attribute)?;
                }
                PAD => {}
                _ => trace.unknown.keep(&attribute)?,
            }
        }
        trace.table.name = required(table, TABLE)?;
        trace.id = required(id, ID)?;
        trace.kind = required(kind, TYPE)?;
        if let Some((_, kind)) = &mut trace.iif {
            *kind = iiftype;
        }
        if let Some((_, kind)) = &mut trace.oif {
            *kind = oiftype;
        }
        Ok(trace)
    }
}

impl TraceConnection {
    fn put(&self, writer: &mut Writer<'_>) {
        if let Some(id) = self.id {
            writer.put_u32_be(CT_ID, id);
        }
        if let Some(direction) = self.direction {
            writer.put_u8(CT_DIRECTION, direction);
        }
        for (kind, number) in [(CT_STATUS, self.status), (CT_STATE, self.state)] {
            if let Some(number) = number {
                writer.put_u32_be(kind, number);
            }
        }
    }

    fn take(&mut self, attribute: &Attribute<'_>) -> Result<(), DecodeError> {
        match attribute.kind {
            CT_ID => self.id = Some(attribute.u32_be()?),
            CT_DIRECTION => self.direction = Some(attribute.u8()?),
            CT_STATUS => self.status = Some(attribute.u32_be()?),
            _ => self.state = Some(attribute.u32_be()?),
        }
        Ok(())
    }
}

/// A verdict; a jump to a chain that has no name any more is one to an empty name.
fn verdict(attribute: &Attribute<'_>) -> Result<Verdict, DecodeError> {
    match Verdict::decode(attribute.nested()) {
        Err(DecodeError::Missing { .. }) => {
            match attribute.nested().require(VERDICT_CODE)?.u32_be()? as i32 {
                -4 => Ok(Verdict::Goto(ChainRef::new(""))),
                _ => Ok(Verdict::Jump(ChainRef::new(""))),
            }
        }
        verdict => verdict,
    }
}
