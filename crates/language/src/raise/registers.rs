//! What each register holds while a rule is raised.

use ironweir_expr::{Register, Value};

use crate::datatype::{Order, Type};
use crate::typed::{Kind, Shape, Typed};

/// What a register was last filled with.
#[derive(Clone, Debug)]
enum Content {
    /// Something loaded or computed.
    Loaded(Typed),
    /// A constant; what it means is known where it is used.
    Immediate(Value),
}

/// How many parts one register's content may consist of. Each expression can join the contents of two registers, so that
/// those of a rule made to do harm would double with every expression.
const MAX_PARTS: usize = 256;

/// Sixteen registers of 4 bytes; what is wider is held by the first of those it fills.
#[derive(Clone, Debug, Default)]
pub(super) struct RegisterFile {
    words: [Option<Content>; 16],
}

fn word(register: Register) -> usize {
    register.offset() / 4
}

/// How many parts an expression has; counting ends above `limit`.
fn parts(typed: &Typed, limit: usize) -> usize {
    let below: &[&Typed] = match &typed.kind {
        Kind::Swap(of) | Kind::Prefix(of, _) => &[of],
        Kind::Binary(_, left, right) | Kind::Map(left, right) => &[left, right],
        Kind::Concat(parts) => &parts.iter().collect::<Vec<_>>(),
        selector => match selector.operand() {
            Some(of) => &[of],
            None => &[],
        },
    };
    below.iter().fold(1, |sum, part| if sum > limit { sum } else { sum + parts(part, limit - sum) })
}

impl RegisterFile {
    /// Fills a register with something loaded. What has too many parts is as if it were not known.
    pub(super) fn set(&mut self, register: Register, typed: Typed) {
        let fits = parts(&typed, MAX_PARTS) <= MAX_PARTS;
        self.words[word(register)] = fits.then_some(Content::Loaded(typed));
    }

    /// Fills a register with a constant.
    pub(super) fn set_immediate(&mut self, register: Register, value: Value) {
        self.words[word(register)] = Some(Content::Immediate(value));
    }

    /// The constant in a register.
    pub(super) fn immediate(&self, register: Register) -> Option<&Value> {
        match &self.words[word(register)] {
            Some(Content::Immediate(value)) => Some(value),
            _ => None,
        }
    }

    /// What `words` registers hold from this one on: one thing, or several as a concatenation. `words` of 0 takes one
    /// thing, whatever its width. A register that holds nothing, as in rules that another program made, is an unnamed
    /// integer.
    pub(super) fn take(&self, register: Register, words: u32) -> Typed {
        let first = word(register);
        let mut parts = Vec::new();
        let mut at = first;
        loop {
            let typed = match self.words.get(at) {
                Some(Some(Content::Loaded(typed))) => typed.clone(),
                Some(Some(Content::Immediate(value))) => {
                    let bits = value.len() as u32 * 8;
                    super::value::typed_constant(value, &[Shape::new(Type::Integer, bits, Order::Big)])
                }
                _ => Typed::number(0, Shape::new(Type::Integer, 32, Order::Host)),
            };
            at += typed.words().max(1) as usize;
            parts.push(typed);
            // Bytecode may ask for more than there are registers.
            if at >= (first + words as usize).min(self.words.len()) {
                break;
            }
        }
        match parts.len() {
            1 => parts.swap_remove(0),
            _ => {
                let bits = parts.iter().map(|part| part.shape.words() * 32).sum();
                Typed::new(Kind::Concat(parts), Shape::new(Type::Invalid, bits, Order::None))
            }
        }
    }
}
