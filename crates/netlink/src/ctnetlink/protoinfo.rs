//! What the tracker of a transport protocol knows of a connection.

use super::Unknown;
use crate::{Attribute, DecodeError, Writer};

/// `CTA_PROTOINFO_TCP`, `_DCCP`, `_SCTP`.
const TCP: u16 = 1;
const DCCP: u16 = 2;
const SCTP: u16 = 3;

/// `CTA_PROTOINFO`: one of the protocols' own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtoInfo {
    /// TCP.
    Tcp(TcpInfo),
    /// DCCP; gone from Linux 6.16 on, older peers send it.
    Dccp(DccpInfo),
    /// SCTP.
    Sctp(SctpInfo),
    /// A protocol of a newer peer, or none: what was in the nest.
    Other(Unknown),
}

/// Flags of a direction of a TCP connection, and which of them a change touches (`struct nf_ct_tcp_flags`: two bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags {
    /// `IP_CT_TCP_FLAG_*` of `linux/netfilter/nf_conntrack_tcp.h`.
    pub flags: u8,
    /// Which of them to set or clear.
    pub mask: u8,
}

/// `CTA_PROTOINFO_TCP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// `enum tcp_conntrack`: 0 is NONE, 1 SYN_SENT, 3 ESTABLISHED.
    pub state: Option<u8>,
    /// Window scales, original and reply.
    pub window_scales: [Option<u8>; 2],
    /// Flags, original and reply.
    pub flags: [Option<TcpFlags>; 2],
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

/// `CTA_PROTOINFO_DCCP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DccpInfo {
    /// `enum ct_dccp_states`: 0 is NONE.
    pub state: Option<u8>,
    /// 0: the original direction is the client's; 1: the server's.
    pub role: Option<u8>,
    /// Sequence number of the handshake.
    pub handshake_seq: Option<u64>,
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

/// `CTA_PROTOINFO_SCTP`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SctpInfo {
    /// `enum sctp_conntrack`: 0 is NONE.
    pub state: Option<u8>,
    /// Verification tags, original and reply.
    pub vtags: [Option<u32>; 2],
    /// What a newer peer says besides.
    pub unknown: Unknown,
}

impl ProtoInfo {
    /// Reads a nest.
    pub fn decode(nest: &Attribute<'_>) -> Result<ProtoInfo, DecodeError> {
        let mut unknown = Unknown::new();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                TCP => return TcpInfo::decode(&attribute).map(ProtoInfo::Tcp),
                DCCP => return DccpInfo::decode(&attribute).map(ProtoInfo::Dccp),
                SCTP => return SctpInfo::decode(&attribute).map(ProtoInfo::Sctp),
                _ => unknown.keep(&attribute)?,
            }
        }
        Ok(ProtoInfo::Other(unknown))
    }

    /// Writes it as a nest of this type.
    pub fn encode(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |w| match self {
            ProtoInfo::Tcp(tcp) => w.nest(TCP, |w| tcp.encode(w)),
            ProtoInfo::Dccp(dccp) => w.nest(DCCP, |w| dccp.encode(w)),
            ProtoInfo::Sctp(sctp) => w.nest(SCTP, |w| sctp.encode(w)),
            ProtoInfo::Other(unknown) => unknown.encode(w),
        });
    }
}

impl TcpInfo {
    fn decode(nest: &Attribute<'_>) -> Result<TcpInfo, DecodeError> {
        let mut tcp = TcpInfo::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => tcp.state = Some(attribute.u8()?),
                2 => tcp.window_scales[0] = Some(attribute.u8()?),
                3 => tcp.window_scales[1] = Some(attribute.u8()?),
                4 => tcp.flags[0] = Some(TcpFlags::decode(&attribute)?),
                5 => tcp.flags[1] = Some(TcpFlags::decode(&attribute)?),
                _ => tcp.unknown.keep(&attribute)?,
            }
        }
        Ok(tcp)
    }

    fn encode(&self, w: &mut Writer<'_>) {
        let [original, reply] = self.window_scales;
        for (kind, value) in [(1, self.state), (2, original), (3, reply)] {
            if let Some(value) = value {
                w.put_u8(kind, value);
            }
        }
        for (kind, flags) in (4..).zip(self.flags) {
            if let Some(TcpFlags { flags, mask }) = flags {
                w.put(kind, &[flags, mask]);
            }
        }
        self.unknown.encode(w);
    }
}

impl TcpFlags {
    fn decode(attribute: &Attribute<'_>) -> Result<TcpFlags, DecodeError> {
        attribute.array().map(|[flags, mask]| TcpFlags { flags, mask })
    }
}

impl DccpInfo {
    fn decode(nest: &Attribute<'_>) -> Result<DccpInfo, DecodeError> {
        let mut dccp = DccpInfo::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => dccp.state = Some(attribute.u8()?),
                2 => dccp.role = Some(attribute.u8()?),
                3 => dccp.handshake_seq = Some(attribute.u64_be()?),
                // CTA_PROTOINFO_DCCP_PAD
                4 => {}
                _ => dccp.unknown.keep(&attribute)?,
            }
        }
        Ok(dccp)
    }

    fn encode(&self, w: &mut Writer<'_>) {
        for (kind, value) in [(1, self.state), (2, self.role)] {
            if let Some(value) = value {
                w.put_u8(kind, value);
            }
        }
        if let Some(seq) = self.handshake_seq {
            w.put_u64_be(3, seq);
        }
        self.unknown.encode(w);
    }
}

impl SctpInfo {
    fn decode(nest: &Attribute<'_>) -> Result<SctpInfo, DecodeError> {
        let mut sctp = SctpInfo::default();
        for attribute in nest.nested() {
            let attribute = attribute?;
            match attribute.kind {
                1 => sctp.state = Some(attribute.u8()?),
                2 => sctp.vtags[0] = Some(attribute.u32_be()?),
                3 => sctp.vtags[1] = Some(attribute.u32_be()?),
                _ => sctp.unknown.keep(&attribute)?,
            }
        }
        Ok(sctp)
    }

    fn encode(&self, w: &mut Writer<'_>) {
        if let Some(state) = self.state {
            w.put_u8(1, state);
        }
        for (kind, vtag) in (2..).zip(self.vtags) {
            if let Some(vtag) = vtag {
                w.put_u32_be(kind, vtag);
            }
        }
        self.unknown.encode(w);
    }
}
