//! Bytes that stock nft and the kernel sent, on a little-endian machine: `strace -e trace=sendmsg,recvmsg -e write=all
//! -e read=all nft -e -a add table ip t '{ comment "x"; chain c { type filter hook input priority -5; policy drop; };
//! set s { type ipv4_addr; flags interval, timeout; elements = { 10.0.0.0/8 timeout 1h comment "lan" }; }; }'` with nft
//! 1.0.6 on Linux 6.18, in an empty network namespace.

use ironweir_netlink::{Flags, Messages, batch};

use super::*;
use crate::*;

/// What nft sent.
const SENT: &[&str] = &[
    // NFNL_MSG_BATCH_BEGIN, res_id NFNL_SUBSYS_NFTABLES
    "140000001000010000000000000000000000000a",
    // NFT_MSG_NEWTABLE, NLM_F_ECHO: NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA
    "2c000000000a0900010000000000000002000000060001007400000008000200\
     000000000800060000027800",
    // NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ECHO: NFTA_CHAIN_TABLE, _NAME, _TYPE, _POLICY, _HOOK { HOOKNUM 1, PRIORITY -5 }
    "4c000000030a0904020000000000000002000000060001007400000006000300\
     630000000b00070066696c746572000008000500000000001400048008000100\
     0000000108000200fffffffb",
    // NFT_MSG_NEWSET: NFTA_SET_TABLE, _NAME, _FLAGS interval timeout, _KEY_TYPE, _KEY_LEN, _ID, _USERDATA
    "50000000090a0904030000000000000002000000060001007400000006000200\
     7300000008000300000000140800040000000007080005000000000408000a00\
     000000010a000d000004020000000000",
    // NFT_MSG_NEWSETELEM: NFTA_SET_ELEM_LIST_TABLE, _SET, _SET_ID, _ELEMENTS of types 1, 2, 3:
    // 0.0.0.0 NFT_SET_ELEM_INTERVAL_END; 10.0.0.0 for an hour with a comment; 11.0.0.0 NFT_SET_ELEM_INTERVAL_END
    "880000000c0a0904040000000000000002000000060001007400000006000200\
     7300000008000400000000015c0003801800018008000300000000010c000180\
     0800010000000000280002800c000400000000000036ee800c00018008000100\
     0a0000000a00060000046c616e0000001800038008000300000000010c000180\
     080001000b000000",
    // NFNL_MSG_BATCH_END
    "140000001100010005000000000000000000000a",
];

/// What the kernel told of it (`NLM_F_ECHO`).
const TOLD: &[&str] = &[
    // NFT_MSG_NEWTABLE: NAME, HANDLE 2, ...
    "40000000000a0000010000008b28000002000002060001007400000008000300\
     000000020c000400000000000000000108000200000000000800060000027800",
    // NFT_MSG_NEWCHAIN: the nests are not marked NLA_F_NESTED
    "68000000030a0004020000008b28000002000002060001007400000006000300\
     630000000c000200000000000000000114000400080001000000000108000200\
     fffffffb08000500000000000b00070066696c746572000008000a0000000001\
     0800060000000000",
    // NFT_MSG_NEWSET: an empty NFTA_SET_DESC, NFTA_SET_TYPE (an address, where the kernel hides symbols), NFTA_SET_COUNT 1
    "78000000090a0004030000008b28000002000002060001007400000006000200\
     730000000c001000000000000000000208000300000000140800040000000007\
     08000500000000040a000d000004020000000000040009001700130030786666\
     666666666666383235303830653000000800140000000001",
    // NFT_MSG_NEWSETELEM, a message each
    "400000000c0a0004000000008b28000002000002060001007400000006000200\
     730000001c000300180001000c00010008000100000000000800030000000001",
    // 10.0.0.0 with NFTA_SET_ELEM_TIMEOUT and _EXPIRATION
    "5c0000000c0a0004000000008b28000002000002060001007400000006000200\
     7300000038000300340001000c000100080001000a0000000c00040000000000\
     0036ee800c000500000000000036ee800a00060000046c616e000000",
    // 11.0.0.0
    "400000000c0a0004000000008b28000002000002060001007400000006000200\
     730000001c000300180001000c000100080001000b0000000800030000000001",
];

/// The event that ended it: NFT_MSG_NEWGEN with NFTA_GEN_ID, NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME.
const GENERATION: &str =
    "2c0000000f0a0000010000008b280000000000020800010000000002080002000000288b080003006e667400";

fn bytes(hex: &[&str]) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    hex.concat().as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn id() -> TableId {
    TableId::new(Family::Ip, "t")
}

fn comment(text: &str) -> Userdata {
    let mut userdata = Userdata::default();
    assert!(userdata.push_str(0, text));
    userdata
}

fn table() -> Table {
    Table { id: id(), flags: TableFlags::empty(), userdata: comment("x"), unknown: Default::default() }
}

fn chain() -> Chain {
    let base = BaseChain {
        kind: ChainType::Filter,
        hook: Hook::Input,
        priority: Priority(-5),
        devices: vec![],
        policy: Some(Policy::Drop),
        hw_offload: false,
    };
    Chain {
        name: "c".into(),
        base: Some(base),
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    }
}

fn set(id: u32) -> Set {
    let mut userdata = Userdata::default();
    assert!(userdata.push_u32(userdata::SET_KEY_BYTEORDER, 2));
    Set {
        name: "s".into(),
        id,
        flags: SetFlags::INTERVAL | SetFlags::TIMEOUT,
        key_type: 7,
        key_len: 4,
        fields: vec![],
        data: None,
        size: None,
        timeout: None,
        gc_interval: None,
        policy: Default::default(),
        exprs: vec![],
        userdata,
        unknown: Default::default(),
    }
}

fn elements(expiration: Option<u64>) -> [Element; 3] {
    let mut lan = Element::new(Value::from([10, 0, 0, 0]));
    lan.more_mut().timeout = Some(3_600_000);
    lan.more_mut().expiration = expiration;
    lan.more_mut().userdata = comment("lan");
    [Element::interval_end(Value::from([0, 0, 0, 0])), lan, Element::interval_end(Value::from([11, 0, 0, 0]))]
}

#[test]
#[cfg(target_endian = "little")]
fn what_nft_sent_is_read_as_changes() {
    let sent = bytes(SENT);
    let mut requests = Requests::new();
    let mut changes = Vec::new();
    for message in Messages::new(&sent) {
        let message = message.unwrap();
        if message.header.kind == batch::BEGIN {
            assert_eq!(batch::decode_begin(&message), Ok((10, None)));
        }
        changes.extend(requests.decode(&message, changes.len() as u32).unwrap());
    }
    let creation = Creation::Add;
    let expected = [
        Change::NewTable { table: table(), creation },
        Change::NewChain { table: id(), chain: chain(), creation },
        Change::NewSet { table: id(), set: set(1), creation },
        Change::NewElements {
            table: id(),
            set: SetRef::new("s"),
            elements: elements(None).to_vec(),
            creation,
        },
    ];
    assert_eq!(changes, expected);
}

#[test]
#[cfg(target_endian = "little")]
fn what_the_kernel_told_is_read_as_objects() {
    let told = bytes(TOLD);
    let told: Vec<Told> =
        Messages::new(&told).map(|message| Told::decode(&message.unwrap()).unwrap()).collect();
    let elements = elements(Some(3_600_000)).map(|element| {
        Told::Elements(ElementsMessage { table: id(), set: "s".into(), elements: vec![element] })
    });
    let mut expected = vec![
        Told::Table(TableMessage { table: table(), handle: Handle(1), uses: 2, owner: None }),
        Told::Chain(ChainMessage { table: id(), chain: chain(), handle: Handle(1), uses: 0, counters: None }),
        Told::Set(SetMessage {
            table: id(),
            set: set(0),
            handle: Handle(2),
            backend: Some("0xffffffff825080e0".into()),
            count: Some(1),
        }),
    ];
    expected.extend(elements);
    assert_eq!(told, expected);
    let generation = bytes(&[GENERATION]);
    let message = Messages::new(&generation).next().unwrap().unwrap();
    let expected = Generation { id: 2, pid: Some(0x288b), process: Some("nft".into()) };
    assert_eq!(Told::decode(&message), Ok(Told::Generation(expected)));
}

#[test]
#[cfg(target_endian = "little")]
fn elements_are_written_as_nft_writes_them() {
    let change = Change::NewElements {
        table: id(),
        set: SetRef::new("s"),
        elements: vec![Element::new(Value::from([10, 0, 0, 0]))],
        creation: Creation::Add,
    };
    let mut transaction = Transaction::begin(3, None, Flags::ECHO).unwrap();
    transaction.push(0, &change).unwrap();
    let expected = bytes(&[
        // 56 bytes, NFT_MSG_NEWSETELEM, NLM_F_REQUEST | NLM_F_ECHO | NLM_F_CREATE, seq 4, family 2
        "380000000c0a0904040000000000000002000000",
        // NFTA_SET_ELEM_LIST_TABLE "t", NFTA_SET_ELEM_LIST_SET "s"
        "06000100740000000600020073000000",
        // NFTA_SET_ELEM_LIST_ELEMENTS { NFTA_LIST_ELEM { NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE 10.0.0.0 } } }
        "14000380100001800c000180080001000a000000",
    ]);
    // The begin is 20 bytes.
    let written = transaction.as_bytes().get(20..).unwrap();
    assert_eq!(written.len(), expected.len());
    assert_eq!(written, expected);
}
