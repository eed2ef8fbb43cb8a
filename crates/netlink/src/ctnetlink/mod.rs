//! ctnetlink: connections, expectations and statistics, in both directions (`linux/netfilter/nfnetlink_conntrack.h`).
//!
//! A [`Flow`] or an [`Expectation`] is what such a message says; which message it is stands in [`message`] and
//! [`expectation_message`]. What a newer peer says besides is kept and written again.

mod expectation;
mod extension;
mod flow;
mod protoinfo;
mod stats;
mod status;
mod tuple;
mod unknown;

pub use expectation::{Expectation, ExpectationNat, flag};
pub use extension::{Counters, Help, Labels, Nat, SeqAdjust, Synproxy, Timestamp};
pub use flow::{Flow, TupleFilter};
pub use protoinfo::{DccpInfo, ProtoInfo, SctpInfo, TcpFlags, TcpInfo};
pub use stats::{CpuStats, TableStats};
pub use status::Status;
pub use tuple::Tuple;
pub use unknown::Unknown;

/// Messages of subsystem [`crate::subsystem::CTNETLINK`] (`enum cntl_msg_types`).
pub mod message {
    /// Makes or changes; tells what is there, is new or has changed (`IPCTNL_MSG_CT_NEW`).
    pub const NEW: u8 = 0;
    /// Asks (`IPCTNL_MSG_CT_GET`).
    pub const GET: u8 = 1;
    /// Deletes; tells what is gone (`IPCTNL_MSG_CT_DELETE`).
    pub const DELETE: u8 = 2;
    /// Asks, and sets counters to zero (`IPCTNL_MSG_CT_GET_CTRZERO`).
    pub const GET_ZERO: u8 = 3;
    /// Asks for each CPU's statistics (`IPCTNL_MSG_CT_GET_STATS_CPU`).
    pub const GET_STATS_CPU: u8 = 4;
    /// Asks for the table's statistics (`IPCTNL_MSG_CT_GET_STATS`).
    pub const GET_STATS: u8 = 5;
    /// Asks for connections that have left the table and are still in use (`IPCTNL_MSG_CT_GET_DYING`).
    pub const GET_DYING: u8 = 6;
    /// Asks for connections whose first packet has not left yet (`IPCTNL_MSG_CT_GET_UNCONFIRMED`).
    pub const GET_UNCONFIRMED: u8 = 7;
}

/// Messages of subsystem [`crate::subsystem::CTNETLINK_EXP`] (`enum ctnl_exp_msg_types`).
pub mod expectation_message {
    /// Makes or changes; tells what is there or new (`IPCTNL_MSG_EXP_NEW`).
    pub const NEW: u8 = 0;
    /// Asks (`IPCTNL_MSG_EXP_GET`).
    pub const GET: u8 = 1;
    /// Deletes; tells what is gone (`IPCTNL_MSG_EXP_DELETE`).
    pub const DELETE: u8 = 2;
    /// Asks for each CPU's statistics (`IPCTNL_MSG_EXP_GET_STATS_CPU`).
    pub const GET_STATS_CPU: u8 = 3;
}

/// Multicast groups (`enum nfnetlink_groups` of `linux/netfilter/nfnetlink.h`).
pub mod group {
    /// `NFNLGRP_CONNTRACK_NEW`.
    pub const NEW: u32 = 1;
    /// `NFNLGRP_CONNTRACK_UPDATE`.
    pub const UPDATE: u32 = 2;
    /// `NFNLGRP_CONNTRACK_DESTROY`.
    pub const DESTROY: u32 = 3;
    /// `NFNLGRP_CONNTRACK_EXP_NEW`.
    pub const EXPECTATION_NEW: u32 = 4;
    /// `NFNLGRP_CONNTRACK_EXP_UPDATE`.
    pub const EXPECTATION_UPDATE: u32 = 5;
    /// `NFNLGRP_CONNTRACK_EXP_DESTROY`.
    pub const EXPECTATION_DESTROY: u32 = 6;
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::{Attributes, Flags, GenMsg, Messages, Writer};
    use proptest::prelude::*;

    /// What conntrack 1.4.7 sends for
    /// `-I -t 100 -s 1.1.1.1 -d 1.1.1.2 -p tcp --sport 1 --dport 9 -u SEEN_REPLY,ASSURED --state ESTABLISHED -m 4
    /// --label-add one`, label one being bit 1; taken with strace, the 20 bytes of headers left out.
    const CREATE: &[u8] = b"\x34\x00\x01\x80\x14\x00\x01\x80\x08\x00\x01\x00\x01\x01\x01\x01\x08\x00\x02\x00\x01\x01\x01\x02\
        \x1c\x00\x02\x80\x05\x00\x01\x00\x06\x00\x00\x00\x06\x00\x02\x00\x00\x01\x00\x00\x06\x00\x03\x00\x00\x09\x00\x00\
        \x34\x00\x02\x80\x14\x00\x01\x80\x08\x00\x01\x00\x01\x01\x01\x02\x08\x00\x02\x00\x01\x01\x01\x01\
        \x1c\x00\x02\x80\x05\x00\x01\x00\x06\x10\x00\x00\x06\x00\x02\x00\x00\x09\x00\x00\x06\x00\x03\x00\x00\x01\x00\x00\
        \x08\x00\x03\x00\x00\x00\x00\x0e\x08\x00\x07\x00\x00\x00\x00\x64\x08\x00\x08\x00\x00\x00\x00\x04\
        \x20\x00\x04\x80\x1c\x00\x01\x80\x05\x00\x01\x00\x03\x10\x00\x00\x06\x00\x04\x00\x0a\x0a\x00\x00\x06\x00\x05\x00\x0a\x0a\x00\x00\
        \x08\x00\x16\x00\x02\x00\x00\x00";

    fn one() -> Flow {
        let tuple = |[a, b]: [u8; 2], [sport, dport]: [u16; 2]| Tuple {
            source: Some(IpAddr::V4(Ipv4Addr::new(1, 1, 1, a))),
            destination: Some(IpAddr::V4(Ipv4Addr::new(1, 1, 1, b))),
            protocol: Some(6),
            source_port: Some(sport),
            destination_port: Some(dport),
            ..Tuple::default()
        };
        let flags = Some(TcpFlags { flags: 10, mask: 10 });
        Flow {
            original: Some(tuple([1, 2], [1, 9])),
            reply: Some(tuple([2, 1], [9, 1])),
            status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
            timeout: Some(100),
            mark: Some(4),
            protoinfo: Some(ProtoInfo::Tcp(TcpInfo {
                state: Some(3),
                flags: [flags, flags],
                ..TcpInfo::default()
            })),
            labels: Labels::new(&[2, 0, 0, 0]),
            ..Flow::default()
        }
    }

    #[test]
    fn a_request_of_the_stock_tool_is_read_and_written_alike() {
        assert_eq!(Flow::decode(Attributes::new(CREATE)), Ok(one()));
        let mut bytes = Vec::new();
        one().encode(&mut Writer::new(&mut bytes));
        // It fills the padding behind a protocol with what was in memory.
        let mut expected = CREATE.to_vec();
        for byte in &mut expected {
            *byte = if *byte == 0x10 { 0 } else { *byte };
        }
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_unknown_survives_at_every_level() {
        let mut bytes = Vec::new();
        let mut w = Writer::new(&mut bytes);
        w.nest(1, |w| {
            w.nest(1, |w| w.put(78, b"address"));
            w.nest(2, |w| w.put(79, b"protocol"));
            w.put(77, b"tuple");
        });
        w.nest(4, |w| w.nest(1, |w| w.nest(9, |w| w.put_u8(1, 1))));
        w.nest(6, |w| w.put(99, b"nat"));
        w.put(300, b"top");
        let flow = Flow::decode(Attributes::new(&bytes)).unwrap();
        let mut again = Vec::new();
        flow.encode(&mut Writer::new(&mut again));
        assert_eq!(again, bytes);
    }

    fn address() -> impl Strategy<Value = Option<IpAddr>> {
        prop_oneof![
            Just(None),
            any::<[u8; 4]>().prop_map(|a| Some(IpAddr::from(a))),
            any::<[u8; 16]>().prop_map(|a| Some(IpAddr::from(a))),
        ]
    }

    prop_compose! {
        fn tuple()(
            (source, destination) in (address(), address()),
            protocol in any::<Option<u8>>(),
            (source_port, destination_port, icmp_id, zone) in any::<(Option<u16>, Option<u16>, Option<u16>, Option<u16>)>(),
            (icmp_type, icmp_code) in any::<(Option<u8>, Option<u8>)>(),
        ) -> Tuple {
            Tuple {
                source, destination, protocol, source_port, destination_port, icmp_type, icmp_code,
                icmp_id, zone, ..Tuple::default()
            }
        }
    }

    fn protoinfo() -> impl Strategy<Value = ProtoInfo> {
        let unknown = Unknown::new;
        prop_oneof![
            any::<(Option<u8>, [Option<u8>; 2], [Option<(u8, u8)>; 2])>().prop_map(
                move |(state, window_scales, flags)| {
                    let flags = flags.map(|f| f.map(|(flags, mask)| TcpFlags { flags, mask }));
                    ProtoInfo::Tcp(TcpInfo { state, window_scales, flags, unknown: unknown() })
                }
            ),
            any::<(Option<u8>, Option<u8>, Option<u64>)>().prop_map(move |(state, role, handshake_seq)| {
                ProtoInfo::Dccp(DccpInfo { state, role, handshake_seq, unknown: unknown() })
            }),
            any::<(Option<u8>, [Option<u32>; 2])>().prop_map(move |(state, vtags)| ProtoInfo::Sctp(
                SctpInfo { state, vtags, unknown: unknown() }
            )),
        ]
    }

    fn labels() -> impl Strategy<Value = Option<Labels>> {
        proptest::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| Labels::new(&bytes))
    }

    prop_compose! {
        fn flow()(
            (original, reply, master) in (tuple(), tuple(), tuple()),
            protoinfo in protoinfo(),
            numbers in any::<[Option<u32>; 9]>(),
            zone in any::<Option<u16>>(),
            counters in any::<[Option<(u64, u64)>; 2]>(),
            adjust in any::<[Option<(u32, u32, u32)>; 2]>(),
            times in any::<Option<(Option<u64>, Option<u64>)>>(),
            synproxy in any::<Option<(u32, u32, u32)>>(),
            (labels, labels_mask) in (labels(), labels()),
            (min, max, ports) in (address(), address(), any::<Option<(u16, u16)>>()),
            name in "[a-z]{0,16}",
        ) -> Flow {
            let [status, status_mask, timeout, mark, mark_mask, uses, id, secmark, flags] = numbers;
            Flow {
                original: Some(original), reply: Some(reply), master: Some(master),
                status: status.map(Status), status_mask: status_mask.map(Status),
                protoinfo: Some(protoinfo),
                help: Some(Help { name: name.as_str().into(), private: [].into() }),
                nat_source: Some(Nat { min, max, ports, unknown: Unknown::new() }),
                nat_destination: None,
                timeout, mark, mark_mask, uses, id, secmark, zone,
                counters: counters.map(|c| c.map(|(packets, bytes)| Counters { packets, bytes })),
                seq_adjust: adjust.map(|a| a.map(|(correction_position, offset_before, offset_after)| SeqAdjust {
                    correction_position, offset_before, offset_after,
                })),
                security_context: Some(name.as_str().into()),
                timestamp: times.map(|(start, stop)| Timestamp { start, stop }),
                labels, labels_mask,
                synproxy: synproxy.map(|(initial_seq, initial_timestamp, timestamp_offset)| Synproxy {
                    initial_seq, initial_timestamp, timestamp_offset,
                }),
                filter: Some(TupleFilter { original: flags, reply: None }),
                unknown: Unknown::new(),
            }
        }
    }

    /// Attributes of types that exist, with values of lengths that exist, within one another.
    fn attributes(depth: u32) -> BoxedStrategy<Vec<u8>> {
        let bytes = |len: usize| proptest::collection::vec(any::<u8>(), len);
        let leaf = prop_oneof![bytes(1), bytes(2), bytes(4), bytes(8), bytes(16)].boxed();
        let value = match depth {
            0 => leaf,
            _ => prop_oneof![leaf, attributes(depth - 1)].boxed(),
        };
        proptest::collection::vec((1u16..28, value, any::<bool>()), 0..4)
            .prop_map(|attributes| {
                let mut bytes = Vec::new();
                let mut writer = Writer::new(&mut bytes);
                for (kind, value, nested) in attributes {
                    writer.put(if nested { kind | 0x8000 } else { kind }, &value);
                }
                bytes
            })
            .boxed()
    }

    proptest! {
        #[test]
        fn a_flow_is_itself_after_the_wire(flow in flow()) {
            let mut bytes = Vec::new();
            crate::message(&mut bytes, 0x0100, Flags::REQUEST, 1, GenMsg::of(2), |w| flow.encode(w)).unwrap();
            let (_, attributes) = Messages::new(&bytes).next().unwrap().unwrap().nfgen().unwrap();
            prop_assert_eq!(Flow::decode(attributes), Ok(flow));
        }

        #[test]
        fn an_expectation_is_itself_after_the_wire(
            (master, expected, mask, nat) in (tuple(), tuple(), tuple(), tuple()),
            (timeout, id, flags, class, zone) in any::<(Option<u32>, Option<u32>, Option<u32>, Option<u32>, Option<u16>)>(),
            name in "[a-z]{0,16}",
        ) {
            let expectation = Expectation {
                master: Some(master), tuple: Some(expected), mask: Some(mask), timeout, id, flags, class, zone,
                helper: Some(name.as_str().into()), function: Some(name.as_str().into()),
                nat: Some(ExpectationNat { direction: 1, tuple: nat }), unknown: Unknown::new(),
            };
            let mut bytes = Vec::new();
            expectation.encode(&mut Writer::new(&mut bytes));
            prop_assert_eq!(Expectation::decode(Attributes::new(&bytes)), Ok(expectation));
        }

        #[test]
        fn what_was_read_is_itself_after_the_wire(bytes in attributes(4)) {
            if let Ok(flow) = Flow::decode(Attributes::new(&bytes)) {
                let mut again = Vec::new();
                flow.encode(&mut Writer::new(&mut again));
                prop_assert_eq!(Flow::decode(Attributes::new(&again)), Ok(flow));
            }
            if let Ok(expectation) = Expectation::decode(Attributes::new(&bytes)) {
                let mut again = Vec::new();
                expectation.encode(&mut Writer::new(&mut again));
                prop_assert_eq!(Expectation::decode(Attributes::new(&again)), Ok(expectation));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(0u8..40, 0..200)) {
            let _ = Flow::decode(Attributes::new(&bytes));
            let _ = Expectation::decode(Attributes::new(&bytes));
            let _ = CpuStats::decode(0, Attributes::new(&bytes));
            let _ = TableStats::decode(Attributes::new(&bytes));
        }
    }
}
