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
        describe_base(&mut out, datatype);
        let _ = writeln!(out, ", {} bits", datatype.bits());
        describe_symbols(&mut out, datatype, datatype.bits(), names);
        return Ok(out);
    }
    let family = match &expr.kind {
        ExprKind::Payload(field) if field.protocol == "arp" => Family::Arp,
        _ => Family::Inet,
    };
    let scope = Scope { family, names, sets: &NoSets };
    let next_id = Cell::new(0);
    let table = TableId::new(family, "");
    let typed = Lower::new(scope, &table, &next_id).expression(expr)?;
    let shapes = natural(&typed);
    let kind = expr.kind.name();
    for shape in shapes {
        let datatype = shape.datatype;
        let _ = write!(out, "{kind} expression, datatype {} ({})", datatype.name(), datatype.description());
        describe_base(&mut out, datatype);
        // What is yes or no takes a byte where it is loaded
        let bits = if datatype == Type::Boolean { shape.bits.max(8) } else { shape.bits };
        let _ = match bits {
            0 if datatype.is_string() => writeln!(out, ", dynamic length"),
            bits if datatype.is_string() => writeln!(out, ", {} characters", bits / 8),
            bits => writeln!(out, ", {bits} bits"),
        };
        describe_symbols(&mut out, datatype, bits, names);
    }
    Ok(out)
}

fn describe_base(out: &mut String, datatype: Type) {
    let below = std::iter::successors(datatype.base(), |base| base.base());
    let below: Vec<_> = below.map(Type::description).collect();
    if !below.is_empty() {
        let _ = write!(out, " (basetype {})", below.join(", "));
    }
}

/// Types whose numbers nft writes in decimal (`sym_tbl->base` is `BASE_DECIMAL`).
const DECIMAL: &[Type] = &[
    Type::IcmpType,
    Type::IcmpCode,
    Type::Icmpv6Type,
    Type::Icmpv6Code,
    Type::IcmpxCode,
    Type::IgmpType,
    Type::Nfproto,
    Type::PktType,
    Type::Day,
    Type::CtDir,
    Type::Boolean,
    Type::FibAddrtype,
    Type::MhType,
];

fn describe_symbols(out: &mut String, datatype: Type, bits: u32, names: &Names) {
    if datatype == Type::InetProto {
        // The machine's own words, without a heading
        for number in 0..=255 {
            if let Some(name) = names.protocols.name(number) {
                let _ = writeln!(out, "\t{name:<30}\t{number}");
            }
        }
        return;
    }
    let symbols = symbols(datatype);
    if symbols.is_empty() {
        return;
    }
    let decimal = DECIMAL.contains(&datatype);
    let base = if decimal { "decimal" } else { "hexadecimal" };
    let _ = writeln!(out, "\npre-defined symbolic constants (in {base}):");
    let width = bits.div_ceil(4).max(2) as usize;
    for (name, value) in symbols {
        let _ = match decimal {
            true => writeln!(out, "\t{name:<30}\t{value:>20}"),
            false => writeln!(out, "\t{name:<30}\t0x{value:0width$x}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stock nft 1.0.6 prints.
    #[test]
    fn descriptions_are_those_of_stock_nft() {
        let cases = [
            (
                "meta ipsec",
                "meta expression, datatype boolean (boolean type) (basetype integer), 8 bits\n\npre-defined symbolic constants (in decimal):\n\texists                        \t                   1\n\tmissing                       \t                   0\n",
            ),
            (
                "ether saddr",
                "payload expression, datatype ether_addr (Ethernet address) (basetype link layer address, integer), 48 bits\n",
            ),
            (
                "meta iifname",
                "meta expression, datatype ifname (network interface name) (basetype string), 16 characters\n",
            ),
            (
                "arp saddr ip",
                "payload expression, datatype ipv4_addr (IPv4 address) (basetype integer), 32 bits\n",
            ),
            ("ipsec in reqid", "xfrm expression, datatype integer (integer), 32 bits\n"),
            ("string", "datatype string (string), 0 bits\n"),
            (
                "ct_dir",
                "datatype ct_dir (conntrack direction) (basetype integer), 8 bits\n\npre-defined symbolic constants (in decimal):\n\toriginal                      \t                   0\n\treply                         \t                   1\n",
            ),
        ];
        for (asked, want) in cases {
            let mut sources = crate::source::Sources::new();
            let source = sources.add("asked", asked, None).expect("short");
            let mut p =
                crate::parse::Parser::new(&mut sources, source, &crate::files::NoFiles, Default::default());
            let expr = Expr::parse_lhs(&mut p).expect("an expression");
            assert_eq!(describe(&expr, &Names::default()).as_deref(), Ok(want), "{asked}");
        }
    }
}
