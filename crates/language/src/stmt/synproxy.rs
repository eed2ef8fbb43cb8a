//! `synproxy`: answers SYNs for a server; also `synproxy name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::synproxy::Synproxy as Proxy;
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::Parsed;
use crate::json::Node;
use crate::lower::Lower;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

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
    pub(crate) fn arguments(p: &mut Parser<'_>) -> Parsed<Synproxy> {
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

    pub(crate) fn code(&self) -> Code {
        let Synproxy { mss, wscale, timestamp, sack_perm } = *self;
        Code::Synproxy(Proxy { mss, wscale, timestamp, sack_perm })
    }

    fn of(proxy: &Proxy) -> Synproxy {
        let Proxy { mss, wscale, timestamp, sack_perm } = *proxy;
        Synproxy { mss, wscale, timestamp, sack_perm }
    }
}

/// RFC 7323 §2.3.
const MAX_WSCALE: u64 = 14;

impl Statement for Synproxy {
    const JSON: &'static str = "synproxy";

    fn print(&self, out: &mut Printer) {
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

    fn to_json(&self, _: &Options) -> Value {
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
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Synproxy> {
        let mut proxy = Synproxy::default();
        if inside.is_null() {
            return Ok(proxy);
        }
        inside.object()?;
        proxy.mss =
            inside.get("mss").map(|mss| mss.number(u16::MAX.into())).transpose()?.map(|mss| mss as u16);
        proxy.wscale =
            inside.get("wscale").map(|scale| scale.number(MAX_WSCALE)).transpose()?.map(|scale| scale as u8);
        for flag in inside.get("flags").map(Node::one_or_more).unwrap_or_default() {
            match flag.one_of("synproxy flag", &["timestamp", "sack-perm"])? {
                "timestamp" => proxy.timestamp = true,
                _ => proxy.sack_perm = true,
            }
        }
        Ok(proxy)
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Synproxy> {
        let Code::Synproxy(proxy) = code else { return None };
        Some(Synproxy::of(proxy))
    }
}

impl Worded for Synproxy {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("synproxy") && p.word_at(1) != "name"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Synproxy> {
        p.next();
        Synproxy::arguments(p)
    }
}
