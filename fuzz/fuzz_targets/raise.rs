//! Any bytecode as a rule of any family: it is listed. And the bytecode that lowering makes of a text: it is listed as
//! what makes the same bytecode again.
#![no_main]

use ironweir_fuzz::{bytecode, rule_comes_back};
use ironweir_language::datatype::{Names, PrintOptions};
use ironweir_language::print::{Options, Printer};
use ironweir_language::raise::{NoChains, raise_rule};
use ironweir_language::scope::{NoSets, Scope};
use ironweir_ruleset::{Family, Rule, Userdata};
use ironweir_wire::Instant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let family = Family::ALL[usize::from(first & 0x0f) % Family::ALL.len()];
    // Letters are bytes of the upper half: what a seed begins with tells which it is.
    if first >= 0x40 {
        return std::str::from_utf8(bytes).map_or((), |text| rule_comes_back(family, text));
    }
    let rule = Rule { exprs: bytecode::rule(bytes), userdata: Userdata::default(), ..Rule::default() };
    let names = Names::default();
    let scope = Scope { family, names: &names, sets: &NoSets };
    let raised = raise_rule(scope, PrintOptions::default(), &NoChains, Instant::from_nanos(0), &rule);
    raised.print(&mut Printer::new(Options::default()));
});
