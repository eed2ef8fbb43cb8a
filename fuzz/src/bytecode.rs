//! A rule's bytecode from any bytes: each byte chooses among what there is, and the end of the bytes ends the rule.

use ironweir_expr::payload::Base;
use ironweir_expr::{
    Expr, Register, bitwise, byteorder, cmp, ct, exthdr, inner, lookup, meta, payload, range,
};
use ironweir_ruleset::{SetRef, Value};

/// Bytes that choices are read from.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    fn number(&mut self) -> u32 {
        match self.byte() {
            255 => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
            small => u32::from(small),
        }
    }

    fn register(&mut self) -> Register {
        Register::from_number(u32::from(self.byte() % 24))
            .unwrap_or_else(|| Register::from_number(1).expect("register 1 exists"))
    }

    fn value(&mut self) -> Value {
        let len = usize::from(self.byte() % 65);
        (0..len).map(|_| self.byte()).collect::<Vec<u8>>().into()
    }
}

/// A rule of up to 64 expressions.
pub fn rule(bytes: &[u8]) -> Vec<Expr> {
    let mut from = Choices(bytes);
    let mut exprs = Vec::new();
    while !from.0.is_empty() && exprs.len() < 64 {
        exprs.push(expr(&mut from));
    }
    exprs
}

fn payload_load(from: &mut Choices<'_>) -> Expr {
    let base = from.one(&[Base::Link, Base::Network, Base::Transport, Base::Inner, Base::Tunnel]);
    Expr::PayloadLoad(payload::Load {
        base,
        offset: from.number(),
        len: from.number(),
        destination: from.register(),
    })
}

fn meta_load(from: &mut Choices<'_>) -> Expr {
    Expr::MetaGet(meta::Get { key: from.one(&meta::Key::ALL), destination: from.register() })
}

fn expr(from: &mut Choices<'_>) -> Expr {
    match from.byte() % 14 {
        0 | 1 => payload_load(from),
        2 => meta_load(from),
        3 => Expr::CtGet(ct::Get {
            key: from.one(&ct::Key::ALL),
            direction: from.one(&[None, Some(ct::Direction::Original), Some(ct::Direction::Reply)]),
            destination: from.register(),
        }),
        4 => {
            use exthdr::Kind::{Dccp, Ipv4, Ipv6, Sctp, Tcpopt};
            Expr::Exthdr(exthdr::Exthdr {
                kind: from.one(&[Ipv6, Tcpopt, Ipv4, Sctp, Dccp]),
                header: from.byte(),
                offset: from.number(),
                len: from.number(),
                action: match from.byte() % 4 {
                    0 => exthdr::Action::Present(from.register()),
                    _ => exthdr::Action::Load(from.register()),
                },
            })
        }
        5 => Expr::Inner(inner::Inner {
            kind: from.one(&[inner::Kind::Vxlan, inner::Kind::Geneve, inner::Kind::Gre]),
            header_size: from.number(),
            flags: inner::Flags::all(),
            expr: Box::new(if from.byte() % 2 == 0 { payload_load(from) } else { meta_load(from) }),
        }),
        6 | 7 => Expr::Bitwise(bitwise::Bitwise {
            source: from.register(),
            destination: from.register(),
            len: from.number(),
            op: match from.byte() % 5 {
                0 => bitwise::Op::Lshift(from.number()),
                1 => bitwise::Op::Rshift(from.number()),
                2 => bitwise::Op::Or(bitwise::Operand::Register(from.register())),
                _ => bitwise::Op::MaskXor { mask: from.value(), xor: from.value() },
            },
        }),
        8 => Expr::Byteorder(byteorder::Byteorder {
            source: from.register(),
            destination: from.register(),
            op: from.one(&[byteorder::Op::Ntoh, byteorder::Op::Hton]),
            len: from.number(),
            size: from.one(&[2, 4, 8]),
        }),
        9 => Expr::Range(range::Range {
            source: from.register(),
            negated: from.byte() % 2 == 0,
            from: from.value(),
            to: from.value(),
        }),
        10 => Expr::Lookup(lookup::Lookup {
            set: SetRef::new("s"),
            source: from.register(),
            result: match from.byte() % 3 {
                0 => lookup::Outcome::Verdict,
                1 => lookup::Outcome::Load(from.register()),
                _ => lookup::Outcome::Test { invert: from.byte() % 2 == 0 },
            },
        }),
        11 => Expr::MetaSet(meta::Set { key: from.one(&meta::Key::ALL), source: from.register() }),
        12 => Expr::PayloadWrite(payload::Write {
            base: from.one(&[Base::Link, Base::Network, Base::Transport]),
            offset: from.number(),
            len: from.number(),
            source: from.register(),
            checksum: payload::Checksum {
                kind: payload::ChecksumKind::Inet,
                offset: from.number(),
                pseudo_header: false,
            },
        }),
        _ => Expr::Cmp(cmp::Cmp {
            source: from.register(),
            op: from.one(&[cmp::Op::Eq, cmp::Op::Neq, cmp::Op::Lt, cmp::Op::Lte, cmp::Op::Gt, cmp::Op::Gte]),
            data: from.value(),
        }),
    }
}
