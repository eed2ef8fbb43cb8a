//! Any text as a JSON document: it is refused with a message, or what it makes is listed as JSON that makes the same. It
//! is listed as text too; where that can be read (JSON has names that text has no words for), it makes the same text.
#![no_main]

use ironweir_fuzz::{comes_back_as_json, list, load, load_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut backend) = load_json(text) else { return };
    comes_back_as_json(&mut backend);
    let text = list(&mut backend, false);
    if let Ok(mut again) = load(&text) {
        let once = list(&mut again, false);
        let mut again = load(&once).unwrap_or_else(|error| panic!("listed but refused:\n{once}\n{error}"));
        assert_eq!(list(&mut again, false), once);
    }
});
