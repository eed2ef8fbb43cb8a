//! `meter NAME { KEY STATEFUL }`: an older way to write a set that packets fill. nft makes a set of it and lists
//! `add @NAME { ... }`.

use super::set_update::Entry;
use crate::diag::Parsed;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;

/// A set made on the spot, and the element that a packet adds to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// Name of the set.
    pub name: Box<str>,
    /// How many elements it holds.
    pub size: Option<u32>,
    /// The element.
    pub element: Entry,
}

impl Meter {
    /// What follows the word `meter`.
    pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Meter> {
        let (name, _) = p.name("the name of a meter")?;
        let size = if p.eat_word("size") { Some(p.number_to(u32::MAX.into())? as u32) } else { None };
        p.expect(Sign::BraceOpen)?;
        let element = Entry::parse(p)?;
        p.expect(Sign::BraceClose)?;
        Ok(Meter { name, size, element })
    }

    /// As it is written; listing prints the [`super::set_update::SetUpdate`] that it becomes.
    pub fn print(&self, out: &mut Printer) {
        out.text("meter ").text(&self.name);
        if let Some(size) = self.size {
            out.text(" size ").number(size);
        }
        out.text(" { ");
        self.element.print(out);
        out.text(" }");
    }
}
