//! Programs of this machine, and the interfaces that the router has taken from its kernel.
//!
//! What a program sends by such an interface is turned to a device of our own by a chain at the interface's egress, and comes to
//! the router from there; what the router lets in is received by that device. The kernel finds out by itself who its neighbours
//! are: their answers are let through to it.

use ironweir_expr::cmp::{Cmp, Op};
use ironweir_expr::fwd::Fwd;
use ironweir_expr::immediate::Immediate;
use ironweir_expr::payload::{Base, Load};
use ironweir_expr::{Expr, Register, Value, Verdict, meta};
use ironweir_io::port::packet::MARK;
use ironweir_ruleset::{
    BaseChain, Chain, ChainRef, ChainType, Change, Creation, Hook, Place, Policy, Priority, Rule, TableId,
    Userdata,
};

/// EtherTypes and protocols of `linux/if_ether.h` and `linux/in.h`.
const ARP: u16 = 0x0806;
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
/// What tells of neighbours and of group members, from MLD's query to MLDv2's report.
const FIRST_OF_LINK: u8 = 130;
const LAST_OF_LINK: u8 = 143;
/// Neighbour advertisement (RFC 4861, 4.4).
const ADVERTISEMENT: u8 = 136;

/// Rules of the chain that keeps what comes in from the kernel: answers about neighbours pass.
pub(super) fn answers_pass(table: &TableId, chain: &str) -> Vec<Change> {
    let arp_reply = [is_protocol(ARP), load(Base::Network, 6, 2), is(Op::Eq, &[0, 2])].concat_with_accept();
    let advertisement = [is_transport(ICMPV6), load(Base::Transport, 0, 1), is(Op::Eq, &[ADVERTISEMENT])]
        .concat_with_accept();
    [arp_reply, advertisement].into_iter().map(|exprs| rule(table, chain, exprs)).collect()
}

/// A chain that turns what the kernel sends by these interfaces to the device of this index, but for what is each link's own
/// affair.
pub(super) fn turned(table: &TableId, names: &[&str], device: u32) -> Vec<Change> {
    let base = BaseChain {
        kind: ChainType::Filter,
        hook: Hook::Egress,
        // Behind all others: theirs is what programs send, whoever carries it.
        priority: Priority(i32::MAX),
        devices: names.iter().map(|name| (*name).into()).collect(),
        policy: Some(Policy::Accept),
        hw_offload: false,
    };
    let name = "turned";
    let chain = Chain {
        name: name.into(),
        base: Some(base),
        binding: None,
        userdata: Userdata::default(),
        unknown: Default::default(),
    };
    let of_link = [
        is_transport(ICMPV6),
        load(Base::Transport, 0, 1),
        is(Op::Gte, &[FIRST_OF_LINK]),
        is(Op::Lte, &[LAST_OF_LINK]),
    ];
    let to = Immediate::Value { destination: Register::R1, value: Value::new(&device.to_ne_bytes()) };
    let turn = vec![Expr::Immediate(to), Expr::Fwd(Fwd { device: Register::R1, neighbour: None })];
    // What the router's own ports send has been through it.
    let rules = [
        [meta_is(meta::Key::Mark, &MARK.to_ne_bytes())].concat_with_accept(),
        [is_protocol(ARP)].concat_with_accept(),
        of_link.concat_with_accept(),
        [is_protocol(0x0800), is_transport(IGMP)].concat_with_accept(),
        turn,
    ];
    let new = Change::NewChain { table: table.clone(), chain, creation: Creation::Create };
    [new].into_iter().chain(rules.into_iter().map(|exprs| rule(table, name, exprs))).collect()
}

trait Accepting {
    fn concat_with_accept(self) -> Vec<Expr>;
}

impl<const N: usize> Accepting for [Vec<Expr>; N] {
    fn concat_with_accept(self) -> Vec<Expr> {
        let accept = Expr::Immediate(Immediate::Verdict(Verdict::Accept));
        self.into_iter().flatten().chain([accept]).collect()
    }
}

fn is(op: Op, bytes: &[u8]) -> Vec<Expr> {
    vec![Expr::Cmp(Cmp { source: Register::R1, op, data: Value::new(bytes) })]
}

fn load(base: Base, offset: u32, len: u32) -> Vec<Expr> {
    vec![Expr::PayloadLoad(Load { base, offset, len, destination: Register::R1 })]
}

fn meta_is(key: meta::Key, bytes: &[u8]) -> Vec<Expr> {
    let get = meta::Get { key, destination: Register::R1 };
    [vec![Expr::MetaGet(get)], is(Op::Eq, bytes)].concat()
}

fn is_protocol(protocol: u16) -> Vec<Expr> {
    meta_is(meta::Key::Protocol, &protocol.to_be_bytes())
}

fn is_transport(protocol: u8) -> Vec<Expr> {
    meta_is(meta::Key::L4proto, &[protocol])
}

fn rule(table: &TableId, chain: &str, exprs: Vec<Expr>) -> Change {
    Change::NewRule {
        table: table.clone(),
        chain: ChainRef::new(chain),
        rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
        place: Place::Last,
    }
}
