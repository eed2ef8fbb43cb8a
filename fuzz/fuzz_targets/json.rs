//! Any text as a JSON document: it is refused with a message, or what it makes is listed, as text and as JSON, so that
//! either makes the same.
#![no_main]

use ironweir_fuzz::{comes_back, load_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(mut backend) = load_json(text) {
        comes_back(&mut backend);
    }
});
