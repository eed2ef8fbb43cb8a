//! Any bytecode as a rule of any family: it is listed.
#![no_main]

use ironweir_fuzz::bytecode;
use ironweir_language::datatype::{Names, PrintOptions};
use ironweir_language::print::{Options, Printer};
use ironweir_language::raise::{NoChains, raise_rule};
use ironweir_language::scope::{NoSets, Scope};
use ironweir_ruleset::{Family, Rule, Userdata};
use ironweir_wire::Instant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let family = Family::ALL[usize::from(first) % Family::ALL.len()];
    let rule = Rule { exprs: bytecode::rule(bytes), userdata: Userdata::default() };
    let names = Names::default();
    let scope = Scope { family, names: &names, sets: &NoSets };
    let raised = raise_rule(scope, PrintOptions::default(), &NoChains, Instant::from_nanos(0), &rule);
    raised.print(&mut Printer::new(Options::default()));
});
