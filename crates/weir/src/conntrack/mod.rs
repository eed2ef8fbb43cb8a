//! `weir conntrack`: conntrack(8)'s command line.

pub mod address;
pub mod change;
pub mod clock;
pub mod error;
pub mod events;
pub mod expectation;
pub mod filter;
pub mod help;
pub mod json;
pub mod labels;
pub mod options;
pub mod output;
pub mod parse;
pub mod protocol;
pub mod run;
pub mod save;
pub mod text;
pub mod words;
pub mod xml;

use std::ffi::OsString;
use std::process::ExitCode;

use ironweir_io::Endpoint;

pub use error::{Failure, Usage};
pub use help::{SECTIONS, command};

use crate::cli::complain;

/// Runs conntrack's command line.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let mut words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let endpoint = take_engine(&mut words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut request = parse::parse(&words, run::warn);
    if let Ok(request) = &mut request {
        request.endpoint = endpoint;
    }
    match request.map_err(Failure::from).and_then(run::run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Nobody reads on: as with any listing, that is no failure of ours.
        Err(Failure::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&format!("{}: {failure}\n", error::NAME));
            ExitCode::from(failure.code())
        }
    }
}

/// Takes `--engine SOCKET` out of a command line: conntrack's own options know nothing of it.
fn take_engine(words: &mut Vec<String>) -> Endpoint {
    let mut endpoint = Endpoint::Kernel;
    while let Some(at) = words.iter().position(|word| word == "--engine" || word.starts_with("--engine=")) {
        let word = words.remove(at);
        let path = match word.split_once('=') {
            Some((_, path)) => path.to_owned(),
            None if at < words.len() => words.remove(at),
            None => break,
        };
        endpoint = Endpoint::Daemon(path.into());
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use ironweir_netlink::Attributes;
    use ironweir_netlink::ctnetlink::{Expectation, Flow};
    use proptest::prelude::*;

    use super::clock::Clock;
    use super::labels::LabelMap;
    use super::output::Output;
    use super::*;

    /// Attributes as a peer may send them: types that exist, lengths that may not fit.
    fn attributes(depth: u32) -> BoxedStrategy<Vec<u8>> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..20).boxed();
        let value = match depth {
            0 => leaf,
            _ => prop_oneof![leaf, attributes(depth - 1)].boxed(),
        };
        proptest::collection::vec((1u16..28, value), 0..8)
            .prop_map(|attributes| {
                let mut bytes = Vec::new();
                let mut writer = ironweir_netlink::Writer::new(&mut bytes);
                attributes.iter().for_each(|(kind, value)| writer.put(*kind, value));
                bytes
            })
            .boxed()
    }

    proptest! {
        #[test]
        fn whatever_a_message_says_is_written(bytes in attributes(3), family in any::<u8>()) {
            let (clock, labels) = (Clock::system(), LabelMap::of("1 one"));
            let output = Output { extended: true, id: true, ktimestamp: true, labels: true, ..Output::default() };
            if let Ok(flow) = Flow::decode(Attributes::new(&bytes)) {
                let mut out = String::new();
                text::flow(&mut out, output, family, &flow, None, &labels, &clock);
                xml::flow(&mut out, output, family, &flow, None, &labels, &clock);
                save::flow(&mut out, &flow, None);
                out.clear();
                json::flow(&mut out, family, &flow, None, &labels, &clock);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
            }
            if let Ok(expectation) = Expectation::decode(Attributes::new(&bytes)) {
                let mut out = String::new();
                super::expectation::text(&mut out, &expectation, None);
                super::expectation::xml(&mut out, family, &expectation, None);
                out.clear();
                json::expectation(&mut out, family, &expectation, None, &clock);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{}", out);
            }
        }

        #[test]
        fn no_command_line_panics(words in proptest::collection::vec(
            prop_oneof!["-[LGDIAUEFCSRVhsdrqptuzemifngocbjwla]", "--[a-z-]{1,10}", "[a-z0-9./:,=é-]{0,8}", "tcp|expect|1\\.1\\.1\\.1"],
            0..8,
        )) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = parse::parse(&words, |_| {});
        }
    }
}
