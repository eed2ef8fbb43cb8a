//! Any text as a ruleset: it is refused with a message, or what it makes is listed, and the listing is accepted.
#![no_main]

use ironweir_fuzz::{list, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(mut backend) = load(text) {
        list(&mut backend, false);
    }
});
