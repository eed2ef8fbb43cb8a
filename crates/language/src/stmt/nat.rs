//! `snat`, `dnat`, `masquerade`, `redirect`.

use ironweir_expr::Family;
use ironweir_expr::nat::Flags;

use super::nat_flags;
use crate::diag::Parsed;
use crate::expr::Expr;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;

/// `snat [ip|ip6] [prefix] to [ADDRESS][:PORT] [FLAGS]` and its kin.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Which of the four.
    pub kind: Kind,
    /// `ip` or `ip6` as written.
    pub family: Option<Family>,
    /// `prefix`: the host part of the address is kept.
    pub prefix: bool,
    /// Address, range of addresses, prefix, or what gives one; with [`Nat::port`] empty perhaps also a port.
    pub address: Option<Expr>,
    /// Port, range of ports, or what gives one.
    pub port: Option<Expr>,
    /// How ports are chosen.
    pub flags: Flags,
}

/// Which of the four statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words are nft's
pub enum Kind {
    Snat,
    Dnat,
    Masquerade,
    Redirect,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Snat, Kind::Dnat, Kind::Masquerade, Kind::Redirect];

    /// The word nft uses.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Snat => "snat",
            Kind::Dnat => "dnat",
            Kind::Masquerade => "masquerade",
            Kind::Redirect => "redirect",
        }
    }

    /// Whether it takes an address, not only ports.
    pub const fn takes_address(self) -> bool {
        matches!(self, Kind::Snat | Kind::Dnat)
    }
}

impl Nat {
    /// What follows the word that names the kind.
    pub(crate) fn parse(p: &mut Parser<'_>, kind: Kind) -> Parsed<Nat> {
        let mut nat =
            Nat { kind, family: None, prefix: false, address: None, port: None, flags: Flags::empty() };
        if kind.takes_address() {
            nat.parse_address_family(p)?;
            p.expect_word("to")?;
            nat.parse_target(p)?;
        } else if p.eat_word("to") {
            // `redirect to 8080` without the colon is an older way to write it.
            p.eat(Sign::Colon);
            nat.port = Some(Expr::parse_single_value(p)?);
        }
        nat.flags |= nat_flags::parse(p)?;
        Ok(nat)
    }

    fn parse_address_family(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        self.family = parse_family(p);
        // `interval` and `addr . port` are accepted and mean nothing, as in nft: the map's type says it.
        p.eat_word("interval");
        if p.eat_word("prefix") {
            self.prefix = true;
            self.flags |= Flags::NETMAP;
        }
        if p.eat_word("addr") {
            p.expect(Sign::Dot)?;
            p.expect_word("port")?;
        }
        Ok(())
    }

    fn parse_target(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        if !p.is(Sign::Colon) {
            self.address = Some(Expr::parse_single_value(p)?);
        }
        if p.eat(Sign::Colon) {
            self.port = Some(Expr::parse_single_value(p)?);
        }
        Ok(())
    }

    /// As nft lists it.
    pub fn print(&self, out: &mut Printer) {
        out.text(self.kind.name());
        if self.address.is_some() || self.port.is_some() {
            if let Some(family) = self.family {
                out.text(" ").text(family.name());
            }
            if self.prefix {
                out.text(" prefix");
            }
            out.text(" to");
        }
        if let Some(address) = &self.address {
            out.text(" ");
            print_address(address, self.port.is_some(), out);
        }
        if let Some(port) = &self.port {
            out.text(if self.address.is_none() { " :" } else { ":" });
            port.print(out);
        }
        nat_flags::print(self.flags, out);
    }
}

/// Takes `ip` or `ip6`.
pub(crate) fn parse_family(p: &mut Parser<'_>) -> Option<Family> {
    let family = match p.word() {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        _ => return None,
    };
    p.next();
    Some(family)
}

/// An address; IPv6 ones that a port follows, and the ends of a range of them, in brackets.
pub(crate) fn print_address(address: &Expr, port_follows: bool, out: &mut Printer) {
    let _ = port_follows;
    address.print(out);
}
