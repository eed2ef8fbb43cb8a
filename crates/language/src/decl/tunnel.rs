//! Tunnel objects: the metadata that packets to a tunnel device get.

use crate::json::Node;
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
    hex_bytes(&text).ok_or_else(wrong)
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    if digits.is_empty()
        || digits.len() % 2 != 0
        || digits.len() > 256
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    Some(digits.as_bytes().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
}

impl TunnelBody {
    /// A tunnel as it is listed.
    pub(crate) fn from_json(node: Node<'_>) -> Parsed<TunnelBody> {
        let port = |key: &str| node.get(key).map(|port| port.number(u64::from(u16::MAX))).transpose();
        let byte = |key: &str| node.get(key).map(|number| number.number(255)).transpose();
        Ok(TunnelBody {
            id: node.get("id").map(Node::u32).transpose()?,
            src: address_from_json(node, "src-ipv4", "src-ipv6")?,
            dst: address_from_json(node, "dst-ipv4", "dst-ipv6")?,
            sport: port("sport")?.map(|port| port as u16),
            dport: port("dport")?.map(|port| port as u16),
            tos: byte("tos")?.map(|tos| tos as u8),
            ttl: byte("ttl")?.map(|ttl| ttl as u8),
            options: match node.get("type") {
                Some(kind) => options_from_json(kind, node.need("tunnel")?)?,
                None => TunnelOptions::None,
            },
        })
    }
}

fn address_from_json(node: Node<'_>, v4: &str, v6: &str) -> Parsed<Option<IpAddr>> {
    for (key, is_v6) in [(v4, false), (v6, true)] {
        let Some(address) = node.get(key) else { continue };
        return match address.string()?.parse::<IpAddr>() {
            Ok(known) if known.is_ipv6() == is_v6 => Ok(Some(known)),
            _ => {
                Err(address
                    .error(format!("an {} address is expected here", if is_v6 { "IPv6" } else { "IPv4" })))
            }
        };
    }
    Ok(None)
}

fn options_from_json(kind: Node<'_>, node: Node<'_>) -> Parsed<TunnelOptions> {
    Ok(match kind.one_of("kind of tunnel", &["vxlan", "erspan", "geneve"])? {
        "vxlan" => TunnelOptions::Vxlan { gbp: node.need("gbp")?.u32()? },
        "erspan" if node.need("version")?.number(2)? == 1 => {
            TunnelOptions::Erspan(Erspan::V1 { index: node.need("index")?.u32()? })
        }
        "erspan" => {
            let direction = node.need("dir")?.one_of("direction", &["ingress", "egress"])?;
            let hwid = node.need("hwid")?.number(255)? as u8;
            TunnelOptions::Erspan(Erspan::V2 { direction: u8::from(direction == "egress"), hwid })
        }
        _ => {
            let option = |node: Node<'_>| {
                let data = node.need("data")?;
                let wrong = || data.error("hexadecimal bytes such as \"0x1234\" are expected here");
                Ok(GeneveOption {
                    class: node.need("class")?.number(u64::from(u16::MAX))? as u16,
                    kind: node.need("opt-type")?.number(255)? as u8,
                    data: hex_bytes(data.string()?).ok_or_else(wrong)?,
                })
            };
            TunnelOptions::Geneve(node.items()?.map(option).collect::<Parsed<_>>()?)
        }
    })
}
