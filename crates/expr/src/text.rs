//! The text form of expressions, as `nft --debug=netlink` prints it, and of the values in them.
//!
//! Values are printed with their most significant byte first, four bytes to a word. Which byte that is depends on whether
//! a number lies in host or network order, which registers do not tell; so a whole rule is printed with [`Orders`],
//! which follow what is loaded where.

use std::fmt::{self, Display, Write};

use crate::{
    Expr, Register, SetRef, byteorder, ct, exthdr, fib, immediate, lookup, meta, queue, rt, socket, tunnel,
    xfrm,
};

/// In which order the bytes of a number lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Most significant byte first; strings and addresses too.
    #[default]
    Network,
    /// As the machine has numbers.
    Host,
}

/// What lies in the registers, as far as printing asks.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// For each four bytes: of how many bytes the host-order number is that begins there, 0 for network order.
    numbers: [u8; Register::BYTES / 4],
}

impl Orders {
    /// A number (or bytes) of that length and order goes into a register.
    pub fn set(&mut self, register: Register, len: usize, order: Order) {
        let first = register.offset() / 4;
        for (i, number) in self.numbers.iter_mut().skip(first).take(len.div_ceil(4)).enumerate() {
            // One byte has no order, but what is computed with it in a wider operation has the machine's
            let host = order == Order::Host || len == 1;
            *number = if i == 0 && host { len.min(Register::BYTES) as u8 } else { 0 };
        }
    }

    /// What follows an expression that was printed.
    pub fn follow(&mut self, expr: &Expr) {
        match expr {
            Expr::Bitwise(bitwise) => self.copy(bitwise.source, bitwise.destination, bitwise.len as usize),
            Expr::Byteorder(swap) => {
                let order = match swap.op {
                    byteorder::Op::Hton => Order::Network,
                    byteorder::Op::Ntoh => Order::Host,
                };
                self.set(swap.destination, swap.len as usize, order);
            }
            _ => {
                if let Some((register, len, order)) = loads(expr) {
                    self.set(register, len, order);
                }
            }
        }
    }

    fn copy(&mut self, from: Register, to: Register, len: usize) {
        let old = self.numbers;
        let (from, to) = (from.offset() / 4, to.offset() / 4);
        for i in 0..len.div_ceil(4) {
            if let (Some(new), Some(old)) = (self.numbers.get_mut(to + i), old.get(from + i)) {
                *new = *old;
            }
        }
    }

    /// A value of that register (compared with it, or about to be loaded into it).
    pub(crate) fn value<'a>(&'a self, register: Register, bytes: &'a [u8]) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let mut scratch = [0; Register::BYTES];
            let Some(shown) = scratch.get_mut(..bytes.len()) else { return write_words(f, bytes, "0x") };
            shown.copy_from_slice(bytes);
            let mut at = 0;
            while at < shown.len() {
                let number = self.numbers.get(register.offset() / 4 + at / 4).copied().unwrap_or(0);
                if number == 0 {
                    at += 4;
                    continue;
                }
                let width = usize::from(number).max(4);
                let end = (at + width).min(shown.len());
                if cfg!(target_endian = "little") {
                    shown[at..end].reverse();
                }
                at = end.next_multiple_of(4);
            }
            write_words(f, shown, "0x")
        })
    }
}

/// Bytes as words of four, each with a prefix.
fn write_words(f: &mut impl Write, bytes: &[u8], prefix: &str) -> fmt::Result {
    for (i, word) in bytes.chunks(4).enumerate() {
        f.write_str(if i == 0 { "" } else { " " })?;
        f.write_str(prefix)?;
        word.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    }
    Ok(())
}

/// A value as set elements print it: words without a prefix. `order` is that of the number it holds.
pub fn write_value(f: &mut impl Write, bytes: &[u8], order: Order) -> fmt::Result {
    if order == Order::Host && cfg!(target_endian = "little") {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        return write_words(f, &reversed, "");
    }
    write_words(f, bytes, "")
}

/// Which register an expression loads: how many bytes, and in which order.
fn loads(expr: &Expr) -> Option<(Register, usize, Order)> {
    use Order::{Host, Network};
    let (len, order) = match expr {
        Expr::MetaGet(get) => meta_shape(get.key),
        Expr::CtGet(get) => ct_shape(get.key),
        Expr::Rt(rt) => match rt.key {
            rt::Key::Classid => (4, Host),
            rt::Key::Nexthop4 => (4, Network),
            rt::Key::Nexthop6 => (16, Network),
            rt::Key::Tcpmss => (2, Host),
            rt::Key::Xfrm => (1, Network),
        },
        Expr::Socket(socket) => match socket.key {
            socket::Key::Transparent | socket::Key::Wildcard => (1, Network),
            socket::Key::Mark => (4, Host),
            socket::Key::Cgroupv2 { .. } => (8, Host),
        },
        Expr::Fib(fib) => match fib.result {
            fib::Outcome::Oif | fib::Outcome::Addrtype => (4, Host),
            fib::Outcome::Oifname => (16, Network),
        },
        Expr::Xfrm(xfrm) => match xfrm.key {
            xfrm::Key::Reqid => (4, Host),
            xfrm::Key::Spi | xfrm::Key::DaddrIp4 | xfrm::Key::SaddrIp4 => (4, Network),
            xfrm::Key::DaddrIp6 | xfrm::Key::SaddrIp6 => (16, Network),
        },
        Expr::Tunnel(tunnel) => match tunnel.key {
            tunnel::Key::Path => (1, Network),
            tunnel::Key::Id => (4, Host),
        },
        Expr::Numgen(_) | Expr::Hash(_) => (4, Host),
        Expr::Osf(_) => (16, Network),
        Expr::PayloadLoad(load) => (load.len as usize, Network),
        Expr::Exthdr(exthdr) => (exthdr.len as usize, Network),
        Expr::Inner(inner) => return loads_inside(&inner.expr),
        _ => return None,
    };
    let register = match expr {
        Expr::MetaGet(get) => get.destination,
        Expr::CtGet(get) => get.destination,
        Expr::Rt(rt) => rt.destination,
        Expr::Socket(socket) => socket.destination,
        Expr::Fib(fib) => fib.destination,
        Expr::Xfrm(xfrm) => xfrm.destination,
        Expr::Tunnel(tunnel) => tunnel.destination,
        Expr::Numgen(numgen) => numgen.destination,
        Expr::Hash(hash) => hash.destination,
        Expr::Osf(osf) => osf.destination,
        Expr::PayloadLoad(load) => load.destination,
        Expr::Exthdr(exthdr) => match exthdr.action {
            exthdr::Action::Load(register) | exthdr::Action::Present(register) => register,
            exthdr::Action::Write(_) | exthdr::Action::Strip => return None,
        },
        _ => return None,
    };
    Some((register, len, order))
}

/// What `inner` loads: the two expressions that may stand there, and no further `inner`.
fn loads_inside(expr: &Expr) -> Option<(Register, usize, Order)> {
    match expr {
        Expr::PayloadLoad(_) | Expr::MetaGet(_) => loads(expr),
        _ => None,
    }
}

fn meta_shape(key: meta::Key) -> (usize, Order) {
    use meta::Key::*;
    match key {
        Iiftype | Oiftype | BriIifpvid => (2, Order::Host),
        Protocol | BriIifvproto => (2, Order::Network),
        Prandom => (4, Order::Network),
        TimeNs => (8, Order::Host),
        Nftrace | Nfproto | L4proto | Pkttype | Secpath | TimeDay | BriBroute => (1, Order::Network),
        Iifname | Oifname | BriIifname | BriOifname | Iifkind | Oifkind | Sdifname => (16, Order::Network),
        BriIifhwaddr => (6, Order::Network),
        Len | Priority | Mark | Iif | Oif | Skuid | Skgid | Rtclassid | Secmark | Cpu | Iifgroup
        | Oifgroup | Cgroup | TimeHour | Sdif => (4, Order::Host),
    }
}

fn ct_shape(key: ct::Key) -> (usize, Order) {
    use ct::Key::*;
    let len = key.width().unwrap_or(16) as usize;
    match key {
        Direction | L3Protocol | Protocol | Helper | ProtoSrc | ProtoDst | Id => (len, Order::Network),
        Src | Dst | SrcIp | DstIp | SrcIp6 | DstIp6 => (len, Order::Network),
        State | Status | Mark | Secmark | Expiration | Labels | Packets | Bytes | AvgPkt | Zone
        | EventMask => (len, Order::Host),
    }
}

/// How the value that an immediate put into a register is first used: the order it must have for that. `None` where an
/// expression leaves the register alone. What overwrites it, unused, counts as network order.
fn used_by(expr: &Expr, register: Register) -> Option<Order> {
    let network = |used: bool| used.then_some(Order::Network);
    let host = |used: bool| used.then_some(Order::Host);
    let within = |range: Option<(Register, Option<Register>)>| {
        range.is_some_and(|(first, last)| first == register || last == Some(register))
    };
    match expr {
        Expr::MetaSet(set) if set.source == register => Some(meta_shape(set.key).1),
        Expr::CtSet(set) if set.source == register => Some(ct_shape(set.key).1),
        Expr::Byteorder(swap) if swap.source == register => Some(match swap.op {
            byteorder::Op::Hton => Order::Host,
            byteorder::Op::Ntoh => Order::Network,
        }),
        Expr::Dup(dup) if dup.address == Some(register) => Some(Order::Network),
        Expr::Dup(dup) => host(dup.device == Some(register)),
        Expr::Fwd(fwd) if fwd.device == register => Some(Order::Host),
        Expr::Fwd(fwd) => network(fwd.neighbour.is_some_and(|(address, _)| address == register)),
        Expr::Queue(queue) => host(queue.to == queue::Number::Register(register)),
        Expr::PayloadWrite(write) => network(write.source == register),
        Expr::Exthdr(exthdr) if exthdr.action == exthdr::Action::Write(register) => Some(Order::Network),
        Expr::Nat(nat) => network(within(nat.addresses) || within(nat.ports)),
        Expr::Masq(masq) => network(within(masq.ports)),
        Expr::Redir(redir) => network(within(redir.ports)),
        Expr::Tproxy(tproxy) => network([tproxy.address, tproxy.port].contains(&Some(register))),
        Expr::Immediate(immediate::Immediate::Value { destination, .. }) => network(*destination == register),
        _ => network(loads(expr).is_some_and(|(destination, ..)| destination == register)),
    }
}

/// Prints every expression of a rule, one to a line: two blanks, then the expression in brackets. `data` tells in which
/// order lies what a map loads.
pub fn write_rule(
    f: &mut impl Write,
    exprs: &[Expr],
    data: &dyn Fn(&SetRef) -> Option<(usize, Order)>,
) -> fmt::Result {
    let mut orders = Orders::default();
    for (i, expr) in exprs.iter().enumerate() {
        if let Expr::Immediate(immediate::Immediate::Value { destination, value }) = expr {
            let order =
                exprs[i + 1..].iter().find_map(|later| used_by(later, *destination)).unwrap_or_default();
            orders.set(*destination, value.len(), order);
        }
        writeln!(f, "  [ {} ]", expr.text(&orders))?;
        orders.follow(expr);
        if let Expr::Lookup(lookup::Lookup { set, result: lookup::Outcome::Load(destination), .. }) = expr {
            let (len, order) = data(set).unwrap_or_default();
            orders.set(*destination, len.max(4), order);
        }
    }
    Ok(())
}

impl Expr {
    /// The text form without brackets, values of registers in the order that is known.
    pub fn text<'a>(&'a self, orders: &'a Orders) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| match self {
            Expr::Bitwise(expr) => expr.text(f, orders),
            Expr::Byteorder(expr) => expr.fmt(f),
            Expr::Cmp(expr) => expr.text(f, orders),
            Expr::Connlimit(expr) => expr.fmt(f),
            Expr::Counter(expr) => expr.fmt(f),
            Expr::CtGet(expr) => expr.fmt(f),
            Expr::CtSet(expr) => expr.fmt(f),
            Expr::Dup(expr) => expr.fmt(f),
            Expr::Dynset(expr) => expr.fmt(f),
            Expr::Exthdr(expr) => expr.fmt(f),
            Expr::Fib(expr) => expr.fmt(f),
            Expr::FlowOffload(expr) => expr.fmt(f),
            Expr::Fwd(expr) => expr.fmt(f),
            Expr::Hash(expr) => expr.fmt(f),
            Expr::Immediate(expr) => expr.text(f, orders),
            Expr::Inner(expr) => expr.fmt(f),
            Expr::Last(expr) => expr.fmt(f),
            Expr::Limit(expr) => expr.fmt(f),
            Expr::Log(expr) => expr.fmt(f),
            Expr::Lookup(expr) => expr.fmt(f),
            Expr::Masq(expr) => expr.fmt(f),
            Expr::MetaGet(expr) => expr.fmt(f),
            Expr::MetaSet(expr) => expr.fmt(f),
            Expr::Nat(expr) => expr.fmt(f),
            Expr::Notrack(_) => f.write_str("notrack"),
            Expr::Numgen(expr) => expr.fmt(f),
            Expr::Objref(expr) => expr.fmt(f),
            Expr::Osf(expr) => expr.fmt(f),
            Expr::PayloadLoad(expr) => expr.fmt(f),
            Expr::PayloadWrite(expr) => expr.fmt(f),
            Expr::Queue(expr) => expr.fmt(f),
            Expr::Quota(expr) => expr.fmt(f),
            Expr::Range(expr) => expr.text(f, orders),
            Expr::Redir(expr) => expr.fmt(f),
            Expr::Reject(expr) => expr.fmt(f),
            Expr::Rt(expr) => expr.fmt(f),
            Expr::Socket(expr) => expr.fmt(f),
            Expr::Synproxy(expr) => expr.fmt(f),
            Expr::Tproxy(expr) => expr.fmt(f),
            Expr::Tunnel(expr) => expr.fmt(f),
            Expr::Xfrm(expr) => expr.fmt(f),
            Expr::XtMatch(expr) => write!(f, "match name {} rev {}", expr.name, expr.revision),
            Expr::XtTarget(expr) => write!(f, "target name {} rev {}", expr.name, expr.revision),
            Expr::Unknown(expr) => f.write_str(&expr.name),
        })
    }
}

impl fmt::Display for Expr {
    /// The text form, every value taken for one in network order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text(&Orders::default()))
    }
}
