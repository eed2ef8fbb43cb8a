//! Tunnel objects: the metadata that packets to a tunnel device get.

use std::net::IpAddr;

use ironweir_ruleset::ObjectKind;
use ironweir_ruleset::object::{Erspan, GeneveOption, Tunnel, TunnelOptions};

use super::object::{Body, comment};
use crate::diag::{Diagnostic, Parsed};
use crate::lex::Sign;
use crate::parse::Parser;
use crate::source::Span;

/// What a block says so far.
#[derive(Debug, Default)]
pub(crate) struct TunnelBody {
    id: Option<u32>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    sport: Option<u16>,
    dport: Option<u16>,
    tos: Option<u8>,
    ttl: Option<u8>,
    options: TunnelOptions,
}

impl TunnelBody {
    pub(crate) fn finish(&mut self, span: Span) -> Parsed<ObjectKind> {
        let missing = |what: &str| Diagnostic::error(span, format!("{what} is missing"));
        Ok(ObjectKind::Tunnel(Box::new(Tunnel {
            id: self.id.ok_or_else(|| missing("the tunnel's id"))?,
            src: self.src,
            dst: Some(self.dst.ok_or_else(|| missing("the tunnel's destination address"))?),
            sport: self.sport,
            dport: self.dport,
            tos: self.tos,
            ttl: self.ttl,
            flowlabel: None,
            flags: 0,
            options: std::mem::take(&mut self.options),
        })))
    }
}

/// An item of a tunnel's block.
pub(crate) fn item(p: &mut Parser<'_>, body: &mut Body) -> Parsed<()> {
    if comment(p, body)? {
        return Ok(());
    }
    let (start, tunnel) = (p.peek().span, &mut body.tunnel);
    let family = p.word().to_owned();
    match &*family {
        "id" => {
            p.next();
            tunnel.id = Some(p.number_to(u64::from(u32::MAX))? as u32);
        }
        "ip" | "ip6" => {
            p.next();
            let destination = match p.word() {
                "saddr" => false,
                "daddr" => true,
                _ => return Err(p.unexpected_word("saddr or daddr", &["saddr", "daddr"])),
            };
            p.next();
            let address = address(p, family == "ip6")?;
            let slot = if destination { &mut tunnel.dst } else { &mut tunnel.src };
            if slot.is_some() {
                return Err(Diagnostic::error(
                    start,
                    "You can only specify this once. This statement is a duplicate.",
                ));
            }
            *slot = Some(address);
        }
        "sport" | "dport" => {
            p.next();
            let port = Some(p.number_to(u64::from(u16::MAX))? as u16);
            *(if family == "sport" { &mut tunnel.sport } else { &mut tunnel.dport }) = port;
        }
        "tos" | "ttl" => {
            p.next();
            let number = Some(p.number_to(255)? as u8);
            *(if family == "tos" { &mut tunnel.tos } else { &mut tunnel.ttl }) = number;
        }
        "vxlan" | "erspan" | "geneve" => {
            if tunnel.options != TunnelOptions::None {
                let message = "a tunnel is of one kind: vxlan, erspan or geneve";
                return Err(Diagnostic::error(start, message));
            }
            p.next();
            tunnel.options = match &*family {
                "vxlan" => vxlan(p)?,
                "erspan" => erspan(p)?,
                _ => geneve(p)?,
            };
        }
        _ => {
            let words =
                ["id", "ip", "ip6", "sport", "dport", "tos", "ttl", "vxlan", "erspan", "geneve", "comment"];
            return Err(p.unexpected_word("what a tunnel is made of", &words));
        }
    }
    Ok(())
}

fn address(p: &mut Parser<'_>, v6: bool) -> Parsed<IpAddr> {
    let token = p.peek();
    let value = crate::expr::Expr::parse_literal(p)?;
    let text = match &value.kind {
        crate::expr::ExprKind::Symbol(symbol) => &*symbol.text,
        _ => "",
    };
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_ipv6() == v6 => Ok(address),
        _ => Err(Diagnostic::error(
            token.span,
            format!("an {} address is expected here", if v6 { "IPv6" } else { "IPv4" }),
        )),
    }
}

fn separators_to_close(p: &mut Parser<'_>) -> Parsed<()> {
    p.separators();
    p.expect(Sign::BraceClose).map(drop)
}

fn vxlan(p: &mut Parser<'_>) -> Parsed<TunnelOptions> {
    p.expect(Sign::BraceOpen)?;
    p.separators();
    p.expect_word("gbp")?;
    let gbp = p.number_to(u64::from(u32::MAX))? as u32;
    separators_to_close(p)?;
    Ok(TunnelOptions::Vxlan { gbp })
}

fn erspan(p: &mut Parser<'_>) -> Parsed<TunnelOptions> {
    p.expect(Sign::BraceOpen)?;
    p.separators();
    p.expect_word("version")?;
    let version = p.number_to(2)?;
    p.separators();
    let options = if version == 1 {
        p.expect_word("index")?;
        Erspan::V1 { index: p.number_to(u64::from(u32::MAX))? as u32 }
    } else {
        p.expect_word("direction")?;
        let direction = match p.word() {
            "ingress" => 0,
            "egress" => 1,
            _ => return Err(p.unexpected_word("ingress or egress", &["ingress", "egress"])),
        };
        p.next();
        p.separators();
        p.expect_word("id")?;
        Erspan::V2 { direction, hwid: p.number_to(255)? as u8 }
    };
    separators_to_close(p)?;
    Ok(TunnelOptions::Erspan(options))
}

fn geneve(p: &mut Parser<'_>) -> Parsed<TunnelOptions> {
    p.expect(Sign::BraceOpen)?;
    let mut options = Vec::new();
    loop {
        p.separators();
        if p.eat(Sign::BraceClose) {
            return Ok(TunnelOptions::Geneve(options));
        }
        p.expect_word("class")?;
        let class = p.number_to(u64::from(u16::MAX))? as u16;
        p.expect_word("opt-type")?;
        let kind = p.number_to(255)? as u8;
        p.expect_word("data")?;
        let data = hex(p)?;
        options.push(GeneveOption { class, kind, data });
    }
}

/// `"0x1234"`, whole bytes, at most 128 (`NFTNL_TUNNEL_GENEVE_DATA_MAXLEN`).
fn hex(p: &mut Parser<'_>) -> Parsed<Vec<u8>> {
    let text = p.quoted()?;
    let wrong = || Diagnostic::error(p.last_span(), "hexadecimal bytes such as \"0x1234\" are expected here");
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    if digits.is_empty()
        || digits.len() % 2 != 0
        || digits.len() > 256
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Err(wrong());
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    Ok(digits.as_bytes().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
}
