//! How NAT chooses ports: `random,fully-random,persistent`.

use ironweir_expr::nat::Flags;
use serde_json::{Value, json};

use crate::diag::Parsed;
use crate::json::Node;
use crate::lex::Sign;
use crate::parse::Parser;
use crate::print::Printer;

/// Flags in the order nft lists them (`print_nf_nat_flags`).
const WORDS: [(&str, Flags); 3] = [
    ("random", Flags::PROTO_RANDOM),
    ("fully-random", Flags::PROTO_RANDOM_FULLY),
    ("persistent", Flags::PERSISTENT),
];

/// Takes a comma separated list of flags; none where the next word is no flag.
pub(crate) fn parse(p: &mut Parser<'_>) -> Parsed<Flags> {
    let mut flags = Flags::empty();
    let flag = |p: &Parser<'_>| WORDS.iter().find(|(word, _)| p.is_word(word)).map(|(_, flag)| *flag);
    while let Some(flag) = flag(p) {
        p.next();
        flags |= flag;
        if !p.eat(Sign::Comma) {
            return Ok(flags);
        }
    }
    if flags.is_empty() {
        Ok(flags)
    } else {
        Err(p.unexpected_word("a NAT flag", &WORDS.map(|(word, _)| word)))
    }
}

/// ` random,persistent`, with a blank before it; nothing where there is none.
pub(crate) fn print(flags: Flags, out: &mut Printer) {
    let mut before = " ";
    for (word, flag) in WORDS {
        if flags.contains(flag) {
            out.text(before).text(word);
            before = ",";
        }
    }
}

/// Flags by their words in JSON, which has one that text says with `prefix`.
const JSON_WORDS: [(&str, Flags); 4] = [WORDS[0], WORDS[1], WORDS[2], ("netmap", Flags::NETMAP)];

/// As `nft -j` writes them, an array; `None` where there is none.
pub(crate) fn to_json(flags: Flags) -> Option<Value> {
    let words: Vec<Value> =
        JSON_WORDS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(word, _)| json!(word)).collect();
    (!words.is_empty()).then(|| json!(words))
}

/// A word or an array of them.
pub(crate) fn from_json(node: Node<'_>) -> Parsed<Flags> {
    let mut flags = Flags::empty();
    for node in node.one_or_more() {
        let word = node.one_of("NAT flag", &JSON_WORDS.map(|(word, _)| word))?;
        flags |=
            JSON_WORDS.iter().find(|(known, _)| *known == word).map_or(Flags::empty(), |(_, flag)| *flag);
    }
    Ok(flags)
}
