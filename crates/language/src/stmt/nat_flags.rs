//! How NAT chooses ports: `random,fully-random,persistent`.

use ironweir_expr::nat::Flags;

use crate::diag::Parsed;
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
