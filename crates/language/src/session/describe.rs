//! `describe`: what an expression's type is, and its symbols.

use std::cell::Cell;
use std::fmt::Write;

use ironweir_ruleset::{Family, TableId};

use crate::datatype::{Names, Type, symbols};
use crate::diag::{Diagnostic, Parsed};
use crate::expr::{Expr, ExprKind};
use crate::lower::{Lower, natural};
use crate::scope::{NoSets, Scope};

/// As `nft describe` prints it: the expression, its type, its bits, symbols of its type.
pub(super) fn describe(expr: &Expr, names: &Names) -> Parsed<String> {
    let mut out = String::new();
    if let ExprKind::Symbol(symbol) = &expr.kind {
        let Some(datatype) = Type::from_name(&symbol.text) else {
            let message = format!("unknown datatype {}", crate::diag::short(&symbol.text));
            return Err(Diagnostic::error(expr.span, message));
        };
        let _ = write!(out, "datatype {} ({})", datatype.name(), datatype.description());
        describe_type(&mut out, datatype, datatype.bits());
        return Ok(out);
    }
    let scope = Scope { family: Family::Inet, names, sets: &NoSets };
    let next_id = Cell::new(0);
    let table = TableId::new(Family::Inet, "");
    let typed = Lower::new(scope, &table, &next_id).expression(expr)?;
    let shapes = natural(&typed);
    let kind = expr.kind.name();
    for shape in shapes {
        let datatype = shape.datatype;
        let _ = write!(out, "{kind} expression, datatype {} ({})", datatype.name(), datatype.description());
        describe_type(&mut out, datatype, shape.bits);
    }
    Ok(out)
}

fn describe_type(out: &mut String, datatype: Type, bits: u32) {
    let mut base = datatype.base();
    while let Some(below) = base {
        let _ = write!(out, " (basetype {})", below.description());
        base = below.base();
    }
    let _ = if datatype.is_string() && bits == 0 {
        writeln!(out, ", dynamic length")
    } else {
        writeln!(out, ", {bits} bits")
    };
    let symbols = symbols(datatype);
    if symbols.is_empty() {
        return;
    }
    let _ = writeln!(out, "\npre-defined symbolic constants (in hexadecimal):");
    let width = bits.div_ceil(4).max(2) as usize;
    for (name, value) in symbols {
        let _ = writeln!(out, "\t{name:<30}\t0x{value:0width$x}");
    }
}
