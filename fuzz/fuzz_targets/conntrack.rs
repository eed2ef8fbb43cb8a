//! Any bytes as packets, times and changes: nothing panics, the table stays within its limit, and every connection is
//! found by both of its tuples.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ironweir_fuzz::connections::run(bytes));
