//! Any text as a JSON document: it is refused with a message, or what it makes is listed, as text and as JSON.
#![no_main]

use ironweir_fuzz::{list, load_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(mut backend) = load_json(text) {
        list(&mut backend, false);
        list(&mut backend, true);
    }
});
