//! `synproxy`: answers SYNs for a server; also `synproxy name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::synproxy::Synproxy as Proxy;

use crate::diag::Parsed;
use crate::json::Node;
use crate::parse::Parser;
use crate::print::Printer;
use serde_json::{Value, json};

/// `synproxy [mss N] [wscale N] [timestamp] [sack-perm]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synproxy {
    /// Maximum segment size of the server.
    pub mss: Option<u16>,
    /// Window scale of the server.
    pub wscale: Option<u8>,
    /// With TCP timestamps.
    pub timestamp: bool,
    /// With selective acknowledgement.
    pub sack_perm: bool,
}

impl Synproxy {
    /// What follows the word `synproxy`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Synproxy> {
        let mut proxy = Synproxy::default();
        loop {
            match p.word() {
                "mss" => {
                    p.next();
                    proxy.mss = Some(p.number_to(u16::MAX.into())? as u16);
                }
                "wscale" => {
                    p.next();
                    proxy.wscale = Some(p.number_to(MAX_WSCALE)? as u8);
                }
                "timestamp" => {
                    p.next();
                    proxy.timestamp = true;
                }
                "sack-perm" => {
                    p.next();
                    proxy.sack_perm = true;
                }
                _ => return Ok(proxy),
            }
        }
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text("synproxy");
        if let Some(mss) = self.mss {
            out.text(" mss ").number(mss);
        }
        if let Some(wscale) = self.wscale {
            out.text(" wscale ").number(wscale);
        }
        if self.timestamp {
            out.text(" timestamp");
        }
        if self.sack_perm {
            out.text(" sack-perm");
        }
    }

    pub(crate) fn code(&self) -> Code {
        let Synproxy { mss, wscale, timestamp, sack_perm } = *self;
        Code::Synproxy(Proxy { mss, wscale, timestamp, sack_perm })
    }

    pub(crate) fn raise(proxy: &Proxy) -> Synproxy {
        let Proxy { mss, wscale, timestamp, sack_perm } = *proxy;
        Synproxy { mss, wscale, timestamp, sack_perm }
    }
}

impl Synproxy {
    /// As `nft -j` writes it.
    pub fn to_json(&self) -> Value {
        let mut proxy = serde_json::Map::new();
        if let Some(mss) = self.mss {
            proxy.insert("mss".into(), json!(mss));
        }
        if let Some(wscale) = self.wscale {
            proxy.insert("wscale".into(), json!(wscale));
        }
        let flags = [(self.timestamp, "timestamp"), (self.sack_perm, "sack-perm")];
        let flags: Vec<Value> = flags.iter().filter(|(set, _)| *set).map(|(_, word)| json!(word)).collect();
        if !flags.is_empty() {
            proxy.insert("flags".into(), json!(flags));
        }
        match proxy.is_empty() {
            true => json!({ "synproxy": null }),
            false => json!({ "synproxy": proxy }),
        }
    }

    /// `null`, or `mss`, `wscale` and `flags`.
    pub fn from_json(node: Node<'_>) -> Parsed<Synproxy> {
        let mut proxy = Synproxy::default();
        if node.is_null() {
            return Ok(proxy);
        }
        node.object()?;
        proxy.mss = node.get("mss").map(|mss| mss.number(u16::MAX.into())).transpose()?.map(|mss| mss as u16);
        proxy.wscale =
            node.get("wscale").map(|scale| scale.number(MAX_WSCALE)).transpose()?.map(|scale| scale as u8);
        for flag in node.get("flags").map(Node::one_or_more).unwrap_or_default() {
            match flag.one_of("synproxy flag", &["timestamp", "sack-perm"])? {
                "timestamp" => proxy.timestamp = true,
                _ => proxy.sack_perm = true,
            }
        }
        Ok(proxy)
    }
}

/// RFC 7323 §2.3.
const MAX_WSCALE: u64 = 14;
