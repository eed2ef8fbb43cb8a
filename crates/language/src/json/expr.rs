//! Expressions: dispatch by what they are, or by the object's key.

use serde_json::Value;

use super::Node;
use crate::diag::{Parsed, short};
use crate::expr::binary::{Binary, BinaryOp};
use crate::expr::concat::Concat;
use crate::expr::ct::Ct;
use crate::expr::exthdr::{DccpOption, Exthdr};
use crate::expr::fib::Fib;
use crate::expr::hash::{Jhash, Symhash};
use crate::expr::inner::Inner;
use crate::expr::ipopt::IpOption;
use crate::expr::list::List;
use crate::expr::map::Map;
use crate::expr::meta::Meta;
use crate::expr::numgen::Numgen;
use crate::expr::osf::Osf;
use crate::expr::payload::Payload;
use crate::expr::prefix::Prefix;
use crate::expr::range::Range;
use crate::expr::raw_payload::RawPayload;
use crate::expr::rt::Rt;
use crate::expr::sctp_chunk::SctpChunk;
use crate::expr::set::{SetLiteral, SetName};
use crate::expr::socket::Socket;
use crate::expr::symbol::Symbol;
use crate::expr::tcpopt::TcpOption;
use crate::expr::tunnel::Tunnel;
use crate::expr::verdict::Verdict;
use crate::expr::xfrm::Xfrm;
use crate::expr::{Expr, ExprKind};
use crate::print::Options;

impl Expr {
    /// As `nft -j` writes it.
    pub fn to_json(&self, options: &Options) -> Value {
        match &self.kind {
            ExprKind::Symbol(node) => node.to_json(),
            ExprKind::Number(number) => Value::from(*number),
            ExprKind::Wildcard => Value::from("*"),
            ExprKind::Payload(node) => node.to_json(),
            ExprKind::RawPayload(node) => node.to_json(),
            ExprKind::Inner(node) => node.to_json(options),
            ExprKind::Exthdr(node) => node.to_json(),
            ExprKind::TcpOption(node) => node.to_json(),
            ExprKind::IpOption(node) => node.to_json(),
            ExprKind::SctpChunk(node) => node.to_json(),
            ExprKind::DccpOption(node) => node.to_json(),
            ExprKind::Meta(node) => node.to_json(),
            ExprKind::Ct(node) => node.to_json(),
            ExprKind::Rt(node) => node.to_json(),
            ExprKind::Fib(node) => node.to_json(),
            ExprKind::Socket(node) => node.to_json(),
            ExprKind::Osf(node) => node.to_json(),
            ExprKind::Numgen(node) => node.to_json(),
            ExprKind::Jhash(node) => node.to_json(options),
            ExprKind::Symhash(node) => node.to_json(),
            ExprKind::Xfrm(node) => node.to_json(),
            ExprKind::Tunnel(node) => node.to_json(),
            ExprKind::Binary(node) => node.to_json(options),
            ExprKind::Prefix(node) => node.to_json(options),
            ExprKind::Range(node) => node.to_json(options),
            ExprKind::Concat(node) => node.to_json(options),
            ExprKind::List(node) => node.to_json(options),
            ExprKind::Masked(node) => node.to_json(options),
            ExprKind::Set(node) => node.to_json(options),
            ExprKind::SetRef(node) => Value::from(format!("@{}", node.name)),
            ExprKind::Map(node) => node.to_json(options),
            ExprKind::Verdict(node) => node.to_json(options),
        }
    }

    /// From any value that stands for an expression.
    pub fn from_json(node: Node<'_>) -> Parsed<Expr> {
        let kind = match node.value() {
            Value::Null => return Err(node.expected("an expression")),
            // What other types of comparison call 1 and 0 is found by resolving
            Value::Bool(there) => symbol(if *there { "exists" } else { "missing" }),
            Value::Number(number) => match number.as_u64() {
                Some(number) => ExprKind::Number(number),
                None => return Err(node.error(format!("the number {number} is none that fits here"))),
            },
            Value::String(text) => match &**text {
                "*" => ExprKind::Wildcard,
                text => match text.strip_prefix('@') {
                    Some(name) => ExprKind::SetRef(SetName { name: name.into() }),
                    None => symbol(text),
                },
            },
            Value::Array(_) => ExprKind::List(List::from_json(node)?),
            Value::Object(_) => ExprKind::from_json(node)?,
        };
        Ok(Expr::new(kind, node.span()))
    }
}

fn symbol(text: &str) -> ExprKind {
    ExprKind::Symbol(Symbol { text: text.into(), quoted: false })
}

impl ExprKind {
    /// From an object of one key.
    fn from_json(node: Node<'_>) -> Parsed<ExprKind> {
        let (key, inside) = node.only()?;
        if let Some(op) = BinaryOp::from_sign(key) {
            return Ok(ExprKind::Binary(Binary::from_json(op, inside)?));
        }
        let kind = match key {
            "payload" if inside.get("base").is_some() => ExprKind::RawPayload(RawPayload::from_json(inside)?),
            "payload" => ExprKind::Payload(Payload::from_json(inside)?),
            "exthdr" => ExprKind::Exthdr(Exthdr::from_json(inside)?),
            "tcp option" => ExprKind::TcpOption(TcpOption::from_json(inside)?),
            "ip option" => ExprKind::IpOption(IpOption::from_json(inside)?),
            "sctp chunk" => ExprKind::SctpChunk(SctpChunk::from_json(inside)?),
            "dccp option" => ExprKind::DccpOption(DccpOption::from_json(inside)?),
            "meta" => ExprKind::Meta(Meta::from_json(inside)?),
            "ct" => ExprKind::Ct(Ct::from_json(inside)?),
            "rt" => ExprKind::Rt(Rt::from_json(inside)?),
            "fib" => ExprKind::Fib(Fib::from_json(inside)?),
            "socket" => ExprKind::Socket(Socket::from_json(inside)?),
            "osf" => ExprKind::Osf(Osf::from_json(inside)?),
            "numgen" => ExprKind::Numgen(Numgen::from_json(inside)?),
            "jhash" => ExprKind::Jhash(Jhash::from_json(inside)?),
            "symhash" => ExprKind::Symhash(Symhash::from_json(inside)?),
            "ipsec" => ExprKind::Xfrm(Xfrm::from_json(inside)?),
            "tunnel" => ExprKind::Tunnel(Tunnel::from_json(inside)?),
            "prefix" => ExprKind::Prefix(Prefix::from_json(inside)?),
            "range" => ExprKind::Range(Range::from_json(inside)?),
            "concat" => ExprKind::Concat(Concat::from_json(inside)?),
            "set" => ExprKind::Set(SetLiteral::from_json(inside)?),
            "map" => ExprKind::Map(Map::from_json(inside)?),
            _ if Verdict::KEYS.contains(&key) => ExprKind::Verdict(Verdict::from_json(key, inside)?),
            _ => return Err(node.error(format!("Unknown expression type '{}'.", short(key)))),
        };
        Ok(match inside.get("tunnel") {
            // A field of the tunnel's own header
            Some(tunnel) if matches!(&kind, ExprKind::Payload(field) if tunnel.as_str() == Some(field.protocol)) => {
                kind
            }
            Some(_) if matches!(key, "payload" | "meta") => ExprKind::Inner(Inner::from_json(inside, kind)?),
            _ => kind,
        })
    }
}
