//! Messages in words, for whoever wants to see what is said to the kernel (`nft --debug=mnl`).
//!
//! ```text
//! NFT_MSG_NEWRULE seq 4 REQUEST|CREATE|APPEND|ACK family ip, 120 bytes
//!   NFTA_RULE_TABLE "filter"
//!   NFTA_RULE_EXPRESSIONS
//!     NFTA_LIST_ELEM
//!       NFTA_EXPR_NAME "meta"
//!       NFTA_EXPR_DATA
//!         NFTA_META_KEY 00000010
//! ```
//!
//! Values are their bytes in the order of the wire, or a text in quotes where they are one with a zero byte behind it.
//! libmnl's own form, which stock nft prints, has no names (`mnl_nlmsg_fprintf`).

mod names;

use std::fmt::{self, Write};

use ironweir_netlink::{Attributes, DecodeError, Flags, Message, Messages, kind, subsystem};

use crate::Family;
use names::{Nest, Schema};

/// The messages of a request, one after the other. What cannot be read is said to be so.
pub fn readable(request: &[u8]) -> String {
    let mut text = String::new();
    for message in Messages::new(request) {
        // Writing to a string does not fail.
        let _ = match message {
            Ok(message) => write_message(&mut text, &message),
            Err(error) => writeln!(text, "({error})"),
        };
    }
    text
}

/// Values longer than that are cut.
const MAX_BYTES: usize = 64;
/// How deep attributes are shown within each other; the kernel's own are at most 8 deep.
const MAX_DEPTH: usize = 16;
/// Columns by which what is within stands further right.
const INDENT: usize = 2;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` of `linux/netfilter/nfnetlink.h`.
const BATCH: [(u16, &str); 2] = [(16, "NFNL_MSG_BATCH_BEGIN"), (17, "NFNL_MSG_BATCH_END")];

fn write_message(f: &mut String, message: &Message<'_>) -> fmt::Result {
    let header = &message.header;
    let of_tables = header.subsystem() == subsystem::NFTABLES;
    let known = names::MESSAGES.get(usize::from(header.message())).filter(|_| of_tables);
    match (known, BATCH.iter().find(|(number, _)| *number == header.kind)) {
        (Some(name), _) => write!(f, "NFT_MSG_{name}")?,
        (None, Some((_, name))) => f.write_str(name)?,
        (None, None) if header.kind == kind::ERROR => f.write_str("NLMSG_ERROR")?,
        (None, None) => write!(f, "message {:#06x}", header.kind)?,
    }
    write!(f, " seq {} ", header.seq)?;
    write_flags(f, header.flags, known.is_some_and(|name| name.starts_with("GET")))?;
    let Ok((genmsg, attributes)) = message.nfgen() else { return f.write_char('\n') };
    match Family::from_number(genmsg.family) {
        Some(family) => write!(f, " family {family}")?,
        None => write!(f, " family {}", genmsg.family)?,
    }
    if genmsg.res_id != 0 {
        write!(f, " resource {}", genmsg.res_id)?;
    }
    writeln!(f, ", {} bytes", header.len)?;
    let schema = match known {
        Some(name) => of_message(name),
        None => Some(&names::GEN),
    };
    write_attributes(f, attributes, schema, 1)
}

/// Flags of requests by name: those that read have other ones than those that make.
fn write_flags(f: &mut String, flags: Flags, reads: bool) -> fmt::Result {
    const ALL: [(Flags, &str); 4] =
        [(Flags::REQUEST, "REQUEST"), (Flags::MULTI, "MULTI"), (Flags::ACK, "ACK"), (Flags::ECHO, "ECHO")];
    const READS: [(Flags, &str); 1] = [(Flags::DUMP, "DUMP")];
    const MAKES: [(Flags, &str); 4] = [
        (Flags::REPLACE, "REPLACE"),
        (Flags::EXCL, "EXCL"),
        (Flags::CREATE, "CREATE"),
        (Flags::APPEND, "APPEND"),
    ];
    let special = if reads { &READS[..] } else { &MAKES[..] };
    let set = ALL.iter().chain(special).filter(|(flag, _)| flags.contains(*flag));
    let words: Vec<&str> = set.map(|(_, word)| *word).collect();
    f.write_str(&words.join("|"))
}

/// What a message is about says which attributes it has.
fn of_message(name: &str) -> Option<&'static Schema> {
    let about = ["NEW", "GET", "DEL", "DESTROY"].into_iter().find_map(|verb| name.strip_prefix(verb))?;
    Some(match about.trim_end_matches("_RESET") {
        "TABLE" => &names::TABLE,
        "CHAIN" => &names::CHAIN,
        "RULE" => &names::RULE,
        "SET" => &names::SET,
        "SETELEM" => &names::SET_ELEM_LIST,
        "OBJ" => &names::OBJ,
        "FLOWTABLE" => &names::FLOWTABLE,
        "GEN" => &names::GEN,
        _ => return None,
    })
}

fn write_attributes(
    f: &mut String,
    attributes: Attributes<'_>,
    schema: Option<&'static Schema>,
    depth: usize,
) -> fmt::Result {
    let indent = depth * INDENT;
    if depth > MAX_DEPTH {
        return writeln!(f, "{:indent$}(deeper attributes)", "");
    }
    // What the attribute before said the next one is: an expression's name, an object's type.
    let (mut expression, mut object) = (None, None);
    for attribute in attributes {
        let attribute = match attribute {
            Ok(attribute) => attribute,
            Err(error) => return write_unreadable(f, &error, indent),
        };
        let place = usize::from(attribute.kind).checked_sub(1);
        let name = schema.and_then(|schema| schema.names.get(place?)).copied();
        match (schema, name) {
            (Some(schema), Some(name)) => write!(f, "{:indent$}{}{name}", "", schema.prefix)?,
            _ => write!(f, "{:indent$}attribute {}", "", attribute.kind)?,
        }
        match (schema.map(|schema| schema.prefix), name) {
            (Some("NFTA_EXPR_"), Some("NAME")) => expression = attribute.str().ok(),
            (Some("NFTA_OBJ_"), Some("TYPE")) => object = attribute.u32_be().ok(),
            _ => {}
        }
        let nests = schema.map_or(&[][..], |schema| schema.nests);
        let within = match nests.iter().find(|(nest, _)| Some(*nest) == name).map(|(_, nest)| *nest) {
            Some(Nest::Of(schema)) => Some(Some(schema)),
            Some(Nest::Expression) => Some(expression.and_then(names::of_expression)),
            Some(Nest::Object) => Some(object.and_then(names::of_object)),
            None if attribute.nested => Some(None),
            None => None,
        };
        match within {
            Some(schema) => {
                f.write_char('\n')?;
                write_attributes(f, attribute.nested(), schema, depth + 1)?;
            }
            None => {
                write_value(f, attribute.value)?;
                f.write_char('\n')?;
            }
        }
    }
    Ok(())
}

fn write_unreadable(f: &mut String, error: &DecodeError, indent: usize) -> fmt::Result {
    writeln!(f, "{:indent$}({error})", "")
}

fn write_value(f: &mut String, value: &[u8]) -> fmt::Result {
    if let Some((0, text)) = value.split_last()
        && !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    {
        return write!(f, " \"{}\"", String::from_utf8_lossy(text));
    }
    if !value.is_empty() {
        f.write_char(' ')?;
    }
    value.iter().take(MAX_BYTES).try_for_each(|byte| write!(f, "{byte:02x}"))?;
    match value.len() {
        0..=MAX_BYTES => Ok(()),
        len => write!(f, "... ({len} bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use ironweir_expr::{Expr, Register, meta};

    use super::*;
    use crate::netlink::Transaction;
    use crate::{Batch, ChainRef, Change, Creation, Place, Rule, Table, TableId, Userdata};

    fn batch() -> Batch {
        let table = TableId::new(Family::Ip, "filter");
        let exprs = vec![Expr::MetaGet(meta::Get { key: meta::Key::L4proto, destination: Register::R1 })];
        let (flags, userdata) = Default::default();
        let made = Table { id: table.clone(), flags, userdata, unknown: Default::default() };
        Batch {
            changes: vec![
                Change::NewTable { table: made, creation: Creation::Add },
                Change::NewRule {
                    table,
                    chain: ChainRef::new("input"),
                    rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
                    place: Place::Last,
                },
            ],
        }
    }

    #[test]
    fn a_batch_reads_as_the_header_names_it() {
        let transaction = Transaction::encode(&batch(), 1, None, Flags::ACK).unwrap();
        let text = readable(transaction.as_bytes());
        // NFT_REG_1 is 1, NFT_META_L4PROTO 16; the batch's resource is NFNL_SUBSYS_NFTABLES.
        for line in [
            "NFNL_MSG_BATCH_BEGIN seq 1 REQUEST family unspec resource 10, 20 bytes",
            "NFT_MSG_NEWTABLE seq 2 REQUEST|ACK|CREATE family ip, ",
            "\n  NFTA_TABLE_NAME \"filter\"\n",
            "NFT_MSG_NEWRULE seq 3 REQUEST|ACK|CREATE|APPEND family ip, ",
            "\n  NFTA_RULE_CHAIN \"input\"\n",
            "\n  NFTA_RULE_EXPRESSIONS\n    NFTA_LIST_ELEM\n      NFTA_EXPR_NAME \"meta\"\n      NFTA_EXPR_DATA\n",
            "\n        NFTA_META_KEY 00000010\n",
            "\n        NFTA_META_DREG 00000001\n",
            "NFNL_MSG_BATCH_END seq 4 REQUEST ",
        ] {
            let line = line.replace("family unspec", "family 0");
            assert!(text.contains(&line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn what_is_cut_off_is_said_to_be() {
        let transaction = Transaction::encode(&batch(), 1, None, Flags::ACK).unwrap();
        let bytes = transaction.as_bytes();
        for end in 0..bytes.len() {
            readable(&bytes[..end]);
        }
        assert!(readable(&bytes[..30]).contains('('));
    }

    #[test]
    fn names_and_numbers_are_those_of_the_kernels_header() {
        let Ok(header) = std::fs::read_to_string("/usr/include/linux/netfilter/nf_tables.h") else {
            eprintln!("skipped: the kernel's headers are not installed");
            return;
        };
        for schema in names::ALL.iter().copied() {
            // The header of an older kernel knows fewer.
            let mut place = 0;
            let block = header
                .split("enum ")
                .find(|block| block.contains(&format!("\t{}UNSPEC,", schema.prefix)) && block.contains("};"));
            let Some(block) = block else { continue };
            for line in block.lines().skip(1).take_while(|line| !line.starts_with('}')) {
                let word = line.trim().trim_end_matches(',');
                let Some(name) = word.strip_prefix(schema.prefix).filter(|_| !word.contains(' ')) else {
                    continue;
                };
                if name != "UNSPEC" {
                    assert_eq!(schema.names.get(place), Some(&name), "{} {place}", schema.prefix);
                    place += 1;
                }
            }
            assert!(place > 0, "{}", schema.prefix);
        }
    }
}
