//! Interfaces that were made while events are heard: their names have to be looked up again.

use ironweir_expr::meta;
use ironweir_ruleset::netlink::{Event, Told};
use ironweir_ruleset::{Element, Expr, Rule, Set};

use super::Events;
use crate::datatype::{NameTable, Type};

/// Bits of one field's type in the type number of a concatenation (nft's `TYPE_BITS`).
const TYPE_BITS: u32 = 6;

impl Events {
    /// Whether an event is about an interface whose name is not known.
    pub fn lacks_interface(&self, event: &Event) -> bool {
        match &event.told {
            Told::Trace(trace) => {
                [trace.iif, trace.oif].into_iter().flatten().any(|(index, _)| self.is_unknown(index))
            }
            Told::Rule(told) => self.rule_lacks(&told.rule),
            Told::Elements(told) => {
                let table = self.mirror.ruleset().table(&told.table);
                table.and_then(|table| table.set(&told.set)).is_some_and(|known| {
                    has_interfaces(&known.set)
                        && told.elements.iter().any(|element| self.element_lacks(element))
                })
            }
            _ => false,
        }
    }

    /// The names of interfaces, as they are now.
    pub fn set_interfaces(&mut self, interfaces: NameTable) {
        self.names.interfaces = interfaces;
    }

    fn is_unknown(&self, index: u32) -> bool {
        self.names.interfaces.name(index.into()).is_none()
    }

    /// Whether a rule compares an interface with a number that has no name.
    fn rule_lacks(&self, rule: &Rule) -> bool {
        let mut reads = false;
        rule.exprs.iter().any(|expr| match expr {
            Expr::MetaGet(meta::Get { key: meta::Key::Iif | meta::Key::Oif | meta::Key::Sdif, .. }) => {
                reads = true;
                false
            }
            Expr::Cmp(cmp) if reads => {
                let index = cmp.data.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
                index.is_some_and(|index| self.is_unknown(index))
            }
            _ => false,
        })
    }

    /// Whether a field of a key could be an interface that has no name: which one it is need not be told exactly.
    fn element_lacks(&self, element: &Element) -> bool {
        element.key.chunks_exact(4).any(|bytes| {
            let index = bytes.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
            index.is_some_and(|index| self.is_unknown(index))
        })
    }
}

/// Whether keys of a set have interfaces by their index.
fn has_interfaces(set: &Set) -> bool {
    let interface = Type::IfaceIndex.number();
    let fields = (0..5).map(|field| set.key_type >> (TYPE_BITS * field) & ((1 << TYPE_BITS) - 1));
    fields.into_iter().any(|field| field == interface)
}

#[cfg(test)]
mod tests {
    use ironweir_expr::cmp::{Cmp, Op};
    use ironweir_expr::{Family, Register};
    use ironweir_ruleset::netlink::{RuleMessage, Verb};
    use ironweir_ruleset::{Handle, Ruleset, TableId, Userdata};
    use ironweir_wire::Instant;

    use super::*;
    use crate::cmd::Monitor;
    use crate::datatype::Names;
    use crate::event::Filter;
    use crate::print::Options;

    fn rule(index: u32) -> Event {
        let exprs = vec![
            Expr::MetaGet(meta::Get { key: meta::Key::Iif, destination: Register::R1 }),
            Expr::Cmp(Cmp { source: Register::R1, op: Op::Eq, data: index.to_ne_bytes().into() }),
        ];
        let told = RuleMessage {
            table: TableId::new(Family::Ip, "t"),
            chain: "c".into(),
            rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
            handle: Handle(4),
            position: None,
        };
        Event { told: Told::Rule(told), verb: Verb::Add }
    }

    #[test]
    fn an_interface_made_later_is_named_once_its_name_was_read() {
        let filter = Filter::of(&Monitor::default());
        let mut names = Names::default();
        names.interfaces.insert("lo", 1);
        let mut events = Events::new(Ruleset::new(0), Options::default(), names, filter);
        assert!(!events.lacks_interface(&rule(1)));
        assert!(events.lacks_interface(&rule(7)));
        let mut interfaces = NameTable::default();
        interfaces.insert("veth7", 7);
        events.set_interfaces(interfaces);
        assert!(!events.lacks_interface(&rule(7)));
        let mut text = String::new();
        events.event(rule(7), Instant::default(), &mut text);
        assert_eq!(text, "add rule ip t c iif \"veth7\"\n");
    }
}
