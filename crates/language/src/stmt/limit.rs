//! `limit`: a rate; also `limit name EXPR`, see [`super::objref`].

use ironweir_expr::Expr as Code;
use ironweir_expr::limit::{Kind, Limit as Bucket};
use serde_json::{Value, json};

use super::amount;
use super::registry::{Stateful, Statement, Worded};
use crate::diag::{Diagnostic, Parsed};
use crate::json::Node;
use crate::lex::Sign;
use crate::lower::Lower;
use crate::optimise::Parts;
use crate::parse::Parser;
use crate::print::{Options, Printer};
use crate::raise::Raise;
use crate::source::Span;

/// `limit rate [over] N/UNIT [burst N packets]` or `limit rate [over] N BYTES/UNIT [burst N BYTES]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Matches what is too fast.
    pub over: bool,
    /// Packets or bytes per unit.
    pub rate: u64,
    /// The unit in seconds.
    pub unit: u64,
    /// What is counted.
    pub kind: Kind,
    /// Packets or bytes at once.
    pub burst: u32,
}

/// Units by length in seconds (`get_unit`).
const UNITS: [(&str, u64); 5] =
    [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400), ("week", 604_800)];

/// The burst of a packet rate that names none.
const DEFAULT_PACKETS: u32 = 5;

impl Limit {
    /// What follows the word `limit`.
    pub(crate) fn arguments(p: &mut Parser<'_>) -> Parsed<Limit> {
        p.expect_word("rate")?;
        let over = p.eat_word("over");
        if !over {
            p.eat_word("until");
        }
        let start = p.peek().span;
        let rate = p.number()?;
        if amount::is_unit(p) {
            Self::bytes(p, over, start, rate)
        } else {
            Self::packets(p, over, start, rate)
        }
    }

    fn packets(p: &mut Parser<'_>, over: bool, start: Span, rate: u64) -> Parsed<Limit> {
        p.expect(Sign::Slash)?;
        let unit = unit(p, p.word())?;
        p.next();
        check_rate(start.to(p.last_span()), rate)?;
        let mut burst = DEFAULT_PACKETS;
        if p.eat_word("burst") {
            let at = p.peek().span;
            burst = p.number_to(u32::MAX.into())? as u32;
            p.expect_word("packets")?;
            if burst == 0 {
                return Err(Diagnostic::error(at, "packet limit burst must be > 0"));
            }
        }
        Ok(Limit { over, rate, unit, kind: Kind::Packets, burst })
    }

    fn bytes(p: &mut Parser<'_>, over: bool, start: Span, rate: u64) -> Parsed<Limit> {
        // `kbytes/second` is one word, `kbytes / second` three tokens, `kbytes/ second` two.
        let word = p.word().to_owned();
        let (bytes, rest) = word.split_once('/').map_or((&*word, None), |(bytes, rest)| (bytes, Some(rest)));
        let factor = amount::unit_factor(p, bytes)?;
        let unit = match rest {
            Some(rest) if !rest.is_empty() => {
                let unit = unit(p, rest)?;
                p.next();
                unit
            }
            _ => {
                p.next();
                if rest.is_none() {
                    p.expect(Sign::Slash)?;
                }
                let unit = unit(p, p.word())?;
                p.next();
                unit
            }
        };
        let rate = amount::scale(p, start, rate, factor)?;
        check_rate(start.to(p.last_span()), rate)?;
        let mut burst = 0;
        if p.eat_word("burst") {
            let at = p.peek().span;
            burst = u32::try_from(amount::parse(p)?).map_err(|_| {
                Diagnostic::error(at.to(p.last_span()), "byte limit burst must be below 4 gbytes")
            })?;
        }
        Ok(Limit { over, rate, unit, kind: Kind::Bytes, burst })
    }

    fn of(limit: &Bucket) -> Limit {
        Limit { over: limit.over, rate: limit.rate, unit: limit.unit, kind: limit.kind, burst: limit.burst }
    }
}

fn unit(p: &Parser<'_>, word: &str) -> Parsed<u64> {
    match UNITS.iter().find(|(name, _)| *name == word) {
        Some((_, seconds)) => Ok(*seconds),
        None => Err(p.unexpected_word("second, minute, hour, day or week", &UNITS.map(|(name, _)| name))),
    }
}

/// The kernel refuses a rate of none (`nft_limit_init`).
fn check_rate(span: Span, rate: u64) -> Parsed<()> {
    if rate == 0 { Err(Diagnostic::error(span, "limit rate must be > 0")) } else { Ok(()) }
}

impl Statement for Limit {
    const JSON: &'static str = "limit";

    fn print(&self, out: &mut Printer) {
        out.text(if self.over { "limit rate over " } else { "limit rate " });
        let unit = UNITS.iter().find(|(_, seconds)| *seconds == self.unit).map_or("error", |(name, _)| name);
        match self.kind {
            Kind::Packets => {
                out.fmt(format_args!("{}/{unit}", self.rate));
                if self.burst > 0 {
                    out.fmt(format_args!(" burst {} packets", self.burst));
                }
            }
            Kind::Bytes => {
                amount::print(self.rate, out);
                out.text("/").text(unit);
                if self.burst > 0 {
                    out.text(" burst ");
                    amount::print(self.burst.into(), out);
                }
            }
        }
    }

    fn to_json(&self, _: &Options) -> Value {
        let unit = UNITS.iter().find(|(_, seconds)| *seconds == self.unit).map_or("error", |(name, _)| name);
        let mut limit = match self.kind {
            Kind::Packets => json!({ "rate": self.rate, "burst": self.burst, "per": unit }),
            Kind::Bytes => {
                let (rate, rate_unit) = amount::to_json(self.rate);
                let (burst, burst_unit) = amount::to_json(self.burst.into());
                json!({
                    "rate": rate, "burst": burst, "per": unit, "rate_unit": rate_unit, "burst_unit": burst_unit,
                })
            }
        };
        if self.over {
            limit["inv"] = json!(true);
        }
        json!({ "limit": limit })
    }

    /// `rate`, `per`, `burst`, `inv`, and units of bytes.
    fn from_json(_: &str, inside: Node<'_>) -> Parsed<Limit> {
        let over = inside.flag("inv")?;
        let (rate, burst) = (inside.need("rate")?, inside.get("burst"));
        let word = match inside.get("per") {
            None => "second",
            Some(per) => per.one_of("unit", &UNITS.map(|(name, _)| name))?,
        };
        let unit = UNITS.iter().find(|(name, _)| *name == word).map_or(1, |(_, seconds)| *seconds);
        // Packets, unless a unit says that bytes are meant
        let rate_unit = inside.get("rate_unit").filter(|unit| unit.as_str() != Some("packets"));
        let limit = match rate_unit {
            None => {
                let burst = burst.map_or(Ok(DEFAULT_PACKETS), Node::u32)?;
                if burst == 0 {
                    return Err(inside.error("packet limit burst must be > 0"));
                }
                Limit { over, rate: rate.number(u64::MAX)?, unit, kind: Kind::Packets, burst }
            }
            Some(rate_unit) => {
                let rate = amount::from_json(rate, Some(rate_unit))?;
                let bytes =
                    burst.map_or(Ok(0), |burst| amount::from_json(burst, inside.get("burst_unit")))?;
                let burst = u32::try_from(bytes)
                    .map_err(|_| inside.error("byte limit burst must be below 4 gbytes"))?;
                Limit { over, rate, unit, kind: Kind::Bytes, burst }
            }
        };
        check_rate(rate.span(), limit.rate)?;
        Ok(limit)
    }

    fn lower(&self, to: &mut Lower<'_>, _: Span) -> Parsed<()> {
        to.emit(self.code());
        Ok(())
    }

    fn raise(code: &Code, _: &mut Raise<'_>) -> Option<Limit> {
        let Code::Limit(limit) = code else { return None };
        Some(Limit::of(limit))
    }

    fn writes(&self) -> Parts {
        Parts::empty()
    }
}

impl Worded for Limit {
    fn at(p: &Parser<'_>) -> bool {
        p.is_word("limit") && p.word_at(1) != "name"
    }

    fn parse(p: &mut Parser<'_>) -> Parsed<Limit> {
        p.next();
        Limit::arguments(p)
    }
}

impl Stateful for Limit {
    fn code(&self) -> Code {
        Code::Limit(Bucket::new(self.rate, self.unit, self.burst, self.kind, self.over))
    }
}
