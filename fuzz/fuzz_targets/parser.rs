//! Any text as a ruleset: its rules are read back as they are printed, and it is refused with a message, or what it
//! makes is listed so that the listing makes the same.
#![no_main]

use ironweir_fuzz::{comes_back, is_read_as_printed, load, rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    rules(text).iter().for_each(is_read_as_printed);
    if let Ok(mut backend) = load(text) {
        comes_back(&mut backend);
    }
});
