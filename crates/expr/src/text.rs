//! The text form of expressions, as `nft --debug=netlink` prints it, and of the values in them.
//!
//! Values are printed with their most significant byte first, four bytes to a word. Which byte that is depends on whether
//! a number lies in host or network order, which registers do not tell; so a whole rule is printed with [`Orders`],
//! which follow what is loaded where.

use std::fmt::{self, Write};

use crate::{Expr, Register, SetRef, immediate, lookup};

/// In which order the bytes of a number lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Most significant byte first; strings and addresses too.
    #[default]
    Network,
    /// As the machine has numbers.
    Host,
}

/// What lies in the registers, as far as printing asks.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// For each four bytes: of how many bytes the host-order number is that begins there, 0 for network order.
    numbers: [u8; Register::BYTES / 4],
}

impl Orders {
    /// A number (or bytes) of that length and order goes into a register.
    pub fn set(&mut self, register: Register, len: usize, order: Order) {
        let first = register.offset() / 4;
        for (i, number) in self.numbers.iter_mut().skip(first).take(len.div_ceil(4)).enumerate() {
            // One byte has no order, but what is computed with it in a wider operation has the machine's
            let host = order == Order::Host || len == 1;
            *number = if i == 0 && host { len.min(Register::BYTES) as u8 } else { 0 };
        }
    }

    /// What follows an expression that was printed.
    pub fn follow(&mut self, expr: &Expr) {
        match expr {
            Expr::Bitwise(bitwise) => self.copy(bitwise.source, bitwise.destination, bitwise.len as usize),
            _ => {
                if let Some((register, len, order)) = expr.loads() {
                    self.set(register, len, order);
                }
            }
        }
    }

    fn copy(&mut self, from: Register, to: Register, len: usize) {
        let old = self.numbers;
        let (from, to) = (from.offset() / 4, to.offset() / 4);
        for i in 0..len.div_ceil(4) {
            if let (Some(new), Some(old)) = (self.numbers.get_mut(to + i), old.get(from + i)) {
                *new = *old;
            }
        }
    }

    /// A value of that register (compared with it, or about to be loaded into it).
    pub(crate) fn value<'a>(&'a self, register: Register, bytes: &'a [u8]) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let mut scratch = [0; Register::BYTES];
            let Some(shown) = scratch.get_mut(..bytes.len()) else { return write_words(f, bytes, "0x") };
            shown.copy_from_slice(bytes);
            let mut at = 0;
            while at < shown.len() {
                let number = self.numbers.get(register.offset() / 4 + at / 4).copied().unwrap_or(0);
                if number == 0 {
                    at += 4;
                    continue;
                }
                let width = usize::from(number).max(4);
                let end = (at + width).min(shown.len());
                if cfg!(target_endian = "little") {
                    shown[at..end].reverse();
                }
                at = end.next_multiple_of(4);
            }
            write_words(f, shown, "0x")
        })
    }
}

/// Bytes as words of four, each with a prefix.
fn write_words(f: &mut impl Write, bytes: &[u8], prefix: &str) -> fmt::Result {
    for (i, word) in bytes.chunks(4).enumerate() {
        f.write_str(if i == 0 { "" } else { " " })?;
        f.write_str(prefix)?;
        word.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    }
    Ok(())
}

/// A value as set elements print it: words without a prefix. `order` is that of the number it holds.
pub fn write_value(f: &mut impl Write, bytes: &[u8], order: Order) -> fmt::Result {
    if order == Order::Host && cfg!(target_endian = "little") {
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        return write_words(f, &reversed, "");
    }
    write_words(f, bytes, "")
}

/// How the value that an immediate put into a register is first used: the order it must have for that. `None` where an
/// expression leaves the register alone. What overwrites it, unused, counts as network order.
fn first_use(expr: &Expr, register: Register) -> Option<Order> {
    let overwritten = || expr.loads().filter(|(destination, ..)| *destination == register);
    expr.uses(register).or_else(|| overwritten().map(|_| Order::Network))
}

/// Prints every expression of a rule, one to a line: two blanks, then the expression in brackets. `data` tells in which
/// order lies what a map loads.
pub fn write_rule(
    f: &mut impl Write,
    exprs: &[Expr],
    data: &dyn Fn(&SetRef) -> Option<(usize, Order)>,
) -> fmt::Result {
    let mut orders = Orders::default();
    for (i, expr) in exprs.iter().enumerate() {
        if let Expr::Immediate(immediate::Immediate::Value { destination, value }) = expr {
            let order =
                exprs[i + 1..].iter().find_map(|later| first_use(later, *destination)).unwrap_or_default();
            orders.set(*destination, value.len(), order);
        }
        writeln!(f, "  [ {} ]", expr.text(&orders))?;
        orders.follow(expr);
        if let Expr::Lookup(lookup::Lookup { set, result: lookup::Outcome::Load(destination), .. }) = expr {
            let (len, order) = data(set).unwrap_or_default();
            orders.set(*destination, len.max(4), order);
        }
    }
    Ok(())
}
