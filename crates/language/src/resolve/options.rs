//! Optional headers: IPv6 extension headers, IPv4 and TCP options, SCTP chunks.

use super::payload::whole_bytes;
use super::unknown;
use crate::datatype::{Order, Type};
use crate::diag::{Diagnostic, Parsed};
use crate::expr;
use crate::expr::tcpopt::{OptionKind, TcpOption, TcpOptionPart};
use crate::lower::Lower;
use crate::proto::{
    Field, Proto, exthdr_by_name, ip_option_by_name, sctp_chunk_by_name, tcp_option_by_name,
    tcp_options_by_number,
};
use crate::source::Span;
use crate::typed::{Exthdr, ExthdrKind, Kind, Shape, Typed};

/// A field of an optional header, or without a field whether the header is there.
fn field_typed(
    kind: ExthdrKind,
    (header, name): (u8, &'static str),
    field: Option<&'static Field>,
    span: Span,
) -> Typed {
    let exthdr = Exthdr {
        kind,
        header,
        name: Some(name),
        offset: field.map_or(0, |field| field.offset),
        field: field.map(|field| field.name),
        present: field.is_none(),
    };
    let shape = match field {
        Some(field) => Shape::new(field.datatype, field.bits, Order::Big),
        None => Shape::of(Type::Boolean),
    };
    whole_bytes(Typed::new(Kind::Exthdr(exthdr), shape).at(span))
}

/// The field that was named, if one was.
fn named<'a>(
    name: Option<&'a str>,
    find: impl FnOnce(&'a str) -> Option<&'static Field>,
    span: Span,
) -> Parsed<Option<&'static Field>> {
    name.map(|name| find(name).ok_or_else(|| unknown(span, "field", name))).transpose()
}

impl Lower<'_> {
    /// `frag id`. The words for kinds of routing header imply no match of the type, as in nft.
    pub(super) fn ipv6_header(&mut self, node: &expr::exthdr::Exthdr, span: Span) -> Parsed<Typed> {
        let header =
            exthdr_by_name(&node.header).ok_or_else(|| unknown(span, "extension header", &node.header))?;
        let field = named(node.field.as_deref(), |name| header.field(name), span)?;
        self.network_dependency(Proto::Ip6, span)?;
        Ok(field_typed(ExthdrKind::Ipv6, (header.number, header.name), field, span))
    }

    /// `ip option rr ptr`.
    pub(super) fn ip_option(&mut self, node: &expr::ipopt::IpOption, span: Span) -> Parsed<Typed> {
        let option =
            ip_option_by_name(&node.option).ok_or_else(|| unknown(span, "IP option", &node.option))?;
        let field = named(node.field.as_deref(), |name| option.field(name), span)?;
        self.network_dependency(Proto::Ip, span)?;
        Ok(field_typed(ExthdrKind::Ipv4, (option.number, option.name), field, span))
    }

    /// `dccp option 5`, compared with `exists` or `missing`.
    pub(super) fn dccp_option(&mut self, header: u8, span: Span) -> Parsed<Typed> {
        self.transport_dependency(Proto::Dccp, span)?;
        let exthdr =
            Exthdr { kind: ExthdrKind::Dccp, header, name: None, offset: 0, field: None, present: true };
        Ok(Typed::new(Kind::Exthdr(exthdr), Shape::of(Type::Boolean)).at(span))
    }
}

/// `sctp chunk data flags`. Packets of other protocols have no chunks, so nothing is implied.
pub(super) fn sctp_chunk(node: &expr::sctp_chunk::SctpChunk, span: Span) -> Parsed<Typed> {
    let chunk = sctp_chunk_by_name(&node.chunk).ok_or_else(|| unknown(span, "SCTP chunk", &node.chunk))?;
    let field = named(node.field.as_deref(), |name| chunk.field(name), span)?;
    Ok(field_typed(ExthdrKind::Sctp, (chunk.number, chunk.name), field, span))
}

/// `tcp option maxseg size`. Packets of other protocols have no such options, so nothing is implied.
pub(super) fn tcp_option(node: &TcpOption, span: Span) -> Parsed<Typed> {
    let option = match &node.option {
        OptionKind::Name(name) => {
            Some(tcp_option_by_name(name).ok_or_else(|| unknown(span, "TCP option", name))?)
        }
        OptionKind::Number(number) => tcp_options_by_number(*number).next(),
    };
    let number = match (&node.option, option) {
        (OptionKind::Number(number), _) => *number,
        (_, Some(option)) => option.number,
        _ => 0,
    };
    let by_name = matches!(node.option, OptionKind::Name(_));
    let mut exthdr = Exthdr {
        kind: ExthdrKind::Tcpopt,
        header: number,
        name: option.filter(|_| by_name).map(|option| option.name),
        offset: 0,
        field: None,
        present: false,
    };
    let shape = match &node.part {
        TcpOptionPart::Presence => {
            exthdr.present = true;
            Shape::of(Type::Boolean)
        }
        TcpOptionPart::Field(name) => {
            let field = option
                .and_then(|option| option.field(name))
                .ok_or_else(|| unknown(span, "TCP option field", name))?;
            exthdr.offset = field.offset;
            exthdr.field = Some(field.name);
            Shape::new(field.datatype, field.bits, Order::Big)
        }
        TcpOptionPart::Raw { offset, len } => {
            if *len == 0 || *len > 128 {
                return Err(Diagnostic::error(span, "TCP option length must be between 1 and 128 bits"));
            }
            exthdr.offset = *offset;
            exthdr.name = None;
            Shape::new(Type::Integer, *len, Order::Big)
        }
    };
    Ok(whole_bytes(Typed::new(Kind::Exthdr(exthdr), shape).at(span)))
}
