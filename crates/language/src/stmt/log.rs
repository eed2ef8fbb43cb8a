//! `log`: tells of the packet.

use ironweir_expr::Expr as Code;
use ironweir_expr::log::{Destination, Log as Logged};
use serde_json::{Value, json};

use super::registry::{Statement, Worded};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::ExprKind;
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::optimise::{Parts, Role};
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// `log [prefix TEXT] [level LEVEL] [flags FLAGS] | [group N [snaplen N] [queue-threshold N]]`, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// What the line begins with.
    pub prefix: Option<Box<str>>,
    /// 0 to 8, see [`LEVELS`].
    pub level: Option<u32>,
    /// `NF_LOG_*`, in bits.
    pub flags: u32,
    /// nflog group.
    pub group: Option<u16>,
    /// Bytes of the packet.
    pub snaplen: Option<u32>,
    /// Packets of one message.
    pub queue_threshold: Option<u16>,
}

/// Levels by number (`syslog.h`), and `audit`, which is nf_tables' own (`NFT_LOGLEVEL_AUDIT`).
pub const LEVELS: [&str; 9] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];
const WARN: u32 = 4;
const AUDIT: u32 = 8;

/// `NF_LOG_*` of `linux/netfilter/nf_log.h`.
mod flag {
    pub(super) const TCP_SEQUENCE: u32 = 1;
    pub(super) const TCP_OPTIONS: u32 = 2;
    pub(super) const IP_OPTIONS: u32 = 4;
    pub(super) const SKUID: u32 = 8;
    pub(super) const ETHER: u32 = 32;
    pub(super) const ALL: u32 = 0x2f;
}

/// Longest prefix in bytes (`NF_LOG_PREFIXLEN` less the zero byte).
const MAX_PREFIX: usize = 127;

impl Log {
    fn check(&self, span: Span) -> Parsed<()> {
        let to_group = self.group.is_some() || self.snaplen.is_some() || self.queue_threshold.is_some();
        let message = match self.level {
            Some(_) if to_group => "level and group are mutually exclusive",
            _ if to_group && self.flags != 0 => "flags and group are mutually exclusive",
            Some(AUDIT) if self.prefix.is_some() || self.flags != 0 => {
                "log level audit doesn't support any further options"
            }
            _ => return Ok(()),
        };
        Err(Diagnostic::error(span, message))
    }

    pub(crate) fn code(&self) -> Code {
        let to_group = self.group.is_some() || self.snaplen.is_some() || self.queue_threshold.is_some();
        let to = if to_group {
            Destination::Group {
                group: self.group.unwrap_or(0),
                snaplen: self.snaplen,
                queue_threshold: self.queue_threshold,
            }
        } else {
            Destination::Syslog { level: self.level, flags: self.flags }
        };
        Code::Log(Logged { prefix: self.prefix.clone(), to })
    }

    fn of(log: &Logged) -> Log {
        let prefix = log.prefix.clone();
        match log.to {
            Destination::Syslog { level, flags } => Log { prefix, level, flags, ..Log::default() },
            Destination::Group { group, snaplen, queue_threshold } => Log {
                prefix,
                group: Some(group),
                snaplen: snaplen.filter(|bytes| *bytes > 0),
                queue_threshold: queue_threshold.filter(|packets| *packets > 0),
                ..Log::default()
            },
        }
    }
}

/// Flags by their words in JSON, in the order nft lists them.
const FLAG_WORDS: [(&str, u32); 5] = [
    ("tcp sequence", flag::TCP_SEQUENCE),
    ("tcp options", flag::TCP_OPTIONS),
    ("ip options", flag::IP_OPTIONS),
    ("skuid", flag::SKUID),
    ("ether", flag::ETHER),
];

fn prefix(p: &mut Parser<'_>) -> Parsed<Box<str>> {
    let at = p.peek();
    let text = p.string()?;
    let text = if text.contains('$') { with_variables(p, &text, at.span)? } else { text };
    if text.len() > MAX_PREFIX {
        return Err(Diagnostic::error(
            at.span,
            format!("log prefix is too long, at most {MAX_PREFIX} bytes"),
        ));
    }
    Ok(text)
}

/// `"in $zone: "` with what is defined as `zone`. A prefix is the one text in which definitions are looked for.
fn with_variables(p: &Parser<'_>, text: &str, span: Span) -> Parsed<Box<str>> {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let value = p.definition_of(name, span)?;
        match &value.kind {
            ExprKind::Symbol(symbol) => out.push_str(&symbol.text),
            ExprKind::Number(number) => out.push_str(&number.to_string()),
            _ => {
                return Err(
                    Diagnostic::error(span, format!("'{name}' is no text")).and(value.span, "this is")
                );
            }
        }
        out.push_str(rest);
        if out.len() > MAX_PREFIX {
            break; // refused by its length; many definitions could make it huge
        }
    }
    Ok(out.into())
}

fn level(p: &mut Parser<'_>) -> Parsed<u32> {
    match LEVELS.iter().position(|level| p.is_word(level)) {
        Some(level) => {
            p.next();
            Ok(level as u32)
        }
        None => Err(p.unexpected_word("a log level", &LEVELS)),
    }
}

fn flags(p: &mut Parser<'_>) -> Parsed<u32> {
    let words = ["tcp", "ip", "skuid", "ether", "all"];
    let bits = match p.word() {
        "tcp" => {
            p.next();
            return tcp_flags(p);
        }
        "ip" => {
            p.next();
            p.expect_word("options")?;
            return Ok(flag::IP_OPTIONS);
        }
        "skuid" => flag::SKUID,
        "ether" => flag::ETHER,
        "all" => flag::ALL,
        _ => return Err(p.unexpected_word("tcp, ip, skuid, ether or all", &words)),
    };
    p.next();
    Ok(bits)
}

fn tcp_flags(p: &mut Parser<'_>) -> Parsed<u32> {
    let mut bits = 0;
    loop {
        bits |= match p.word() {
            // The list may have no blanks and so be one word with what follows: nft's scanner splits at commas too.
            "sequence" => flag::TCP_SEQUENCE,
            "options" => flag::TCP_OPTIONS,
            _ => return Err(p.unexpected_word("sequence or options", &["sequence", "options"])),
        };
        p.next();
        if !p.eat(Sign::Comma) {
            return Ok(bits);
        }
    }
}

impl Statement for Log {
    const JSON: &'static str = "log";

    fn print(&self, out: &mut Printer) {
        out.text("log");
        if let Some(prefix) = &self.prefix {
            out.text(" prefix ").quoted(prefix);
        }
        if let Some(group) = self.group {
            out.text(" group ").number(group);
        }
        if let Some(snaplen) = self.snaplen {
            out.text(" snaplen ").number(snaplen);
        }
        if let Some(threshold) = self.queue_threshold {
            out.text(" queue-threshold ").number(threshold);
        }
        if let Some(level) = self.level.filter(|level| *level != WARN) {
            out.text(" level ").text(LEVELS.get(level as usize).unwrap_or(&"unknown"));
        }
        if self.flags & flag::ALL == flag::ALL {
            out.text(" flags all");
            return;
        }
        match self.flags & (flag::TCP_SEQUENCE | flag::TCP_OPTIONS) {
            0 => {}
            flag::TCP_SEQUENCE => drop(out.text(" flags tcp sequence")),
            flag::TCP_OPTIONS => drop(out.text(" flags tcp options")),
            _ => drop(out.text(" flags tcp sequence,options")),
        }
        for (bit, text) in [
            (flag::IP_OPTIONS, " flags ip options"),
            (flag::SKUID, " flags skuid"),
            (flag::ETHER, " flags ether"),
        ] {
            if self.flags & bit != 0 {
                out.text(text);
            }
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        let mut log = serde_json::Map::new();
        if let Some(prefix) = &self.prefix {
            log.insert("prefix".into(), json!(prefix));
        }
        if let Some(group) = self.group {
            log.insert("group".into(), json!(group));
        }
        if let Some(snaplen) = self.snaplen {
            log.insert("snaplen".into(), json!(snaplen));
        }
        if let Some(threshold) = self.queue_threshold {
            log.insert("queue-threshold".into(), json!(threshold));
        }
        if let Some(level) = self.level.filter(|level| *level != WARN) {
            log.insert("level".into(), json!(LEVELS.get(level as usize).unwrap_or(&"unknown")));
        }
        let flags: Vec<Value> = match self.flags & flag::ALL {
            flag::ALL => vec![json!("all")],
            some => {
                FLAG_WORDS.iter().filter(|(_, bit)| some & bit != 0).map(|(word, _)| json!(word)).collect()
            }
        };
        if !flags.is_empty() {
            log.insert("flags".into(), json!(flags));
        }
        match log.is_empty() {
            true => json!({ "log": null }),
            false => json!({ "log": log }),
        }
    }

    /// `null`, or an object of the options.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Log> {
        let mut log = Log::default();
        if inside.is_null() {
            return Ok(log);
        }
        inside.object()?;
        if let Some(prefix) = inside.get("prefix") {
            let text = prefix.string()?;
            if text.len() > MAX_PREFIX {
                return Err(prefix.error(format!("log prefix is too long, at most {MAX_PREFIX} bytes")));
            }
            log.prefix = Some(text.into());
        }
        let small = |number: Node<'_>| number.number(u16::MAX.into()).map(|number| number as u16);
        log.group = inside.get("group").map(small).transpose()?;
        log.snaplen = inside.get("snaplen").map(Node::u32).transpose()?;
        log.queue_threshold = inside.get("queue-threshold").map(small).transpose()?;
        if let Some(level) = inside.get("level") {
            let word = level.one_of("log level", &LEVELS)?;
            log.level = LEVELS.iter().position(|known| *known == word).map(|level| level as u32);
        }
        for flag in inside.get("flags").map(Node::one_or_more).unwrap_or_default() {
            let words = ["tcp sequence", "tcp options", "ip options", "skuid", "ether", "all"];
            let word = flag.one_of("log flag", &words)?;
            log.flags |=
                FLAG_WORDS.iter().find(|(known, _)| *known == word).map_or(flag::ALL, |(_, bit)| *bit);
        }
        log.check(inside.span())?;
        Ok(log)
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Log> {
        let Code::Log(log) = code else { return None };
        Some(Log::of(log))
    }

    fn role(&self) -> Role<'_> {
        Role::Same
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Log {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("log")
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Log> {
        p.next();
        let start = p.last_span();
        let mut log = Log::default();
        loop {
            let at = p.peek().span;
            let twice = |given: bool| {
                if given {
                    Err(Diagnostic::error(
                        at,
                        "You can only specify this once. This statement is duplicated.",
                    ))
                } else {
                    Ok(())
                }
            };
            match p.word() {
                "prefix" => {
                    twice(log.prefix.is_some())?;
                    p.next();
                    log.prefix = Some(prefix(p)?);
                }
                "group" => {
                    twice(log.group.is_some())?;
                    p.next();
                    log.group = Some(p.number_to(u16::MAX.into())? as u16);
                }
                "snaplen" => {
                    twice(log.snaplen.is_some())?;
                    p.next();
                    log.snaplen = Some(p.number_to(u32::MAX.into())? as u32);
                }
                "queue-threshold" => {
                    twice(log.queue_threshold.is_some())?;
                    p.next();
                    log.queue_threshold = Some(p.number_to(u16::MAX.into())? as u16);
                }
                "level" => {
                    twice(log.level.is_some())?;
                    p.next();
                    log.level = Some(level(p)?);
                }
                "flags" => {
                    p.next();
                    log.flags |= flags(p)?;
                }
                _ => break,
            }
        }
        log.check(start.to(p.last_span()))?;
        Ok(log)
    }
}
