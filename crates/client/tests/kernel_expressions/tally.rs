//! How many rules came to which end.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Refusals of kernels that are built without a part: beginning of the place, error number, why.
const EXCUSED: [(&str, i32, &str); 3] = [
    ("bridge/reject.t", 2, "CONFIG_NF_TABLES_BRIDGE without CONFIG_NFT_BRIDGE_REJECT"),
    ("bridge/meta.t", 95, "no CONFIG_NFT_BRIDGE_META"),
    ("bridge/pass_up.t", 95, "no CONFIG_NFT_BRIDGE_META"),
];

/// To which end a rule came.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// All agree.
    Same,
    /// Stock nft makes other expressions of it, or knows it not.
    OtherStock,
    /// The kernel cannot hold it, for this reason.
    Excused(&'static str),
    /// What is wrong.
    Wrong(String),
}

/// How many rules came to which end.
#[derive(Default)]
pub(crate) struct Tally {
    ends: BTreeMap<End, usize>,
    fails: String,
}

impl Tally {
    pub(crate) fn count(&mut self, end: End, place: &str) {
        if let End::Wrong(why) = &end {
            let _ = writeln!(self.fails, "{place}\t{why}");
            return;
        }
        *self.ends.entry(end).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, errno: i32, place: &str, what: &str) {
        let excuse = EXCUSED.iter().find(|(start, error, _)| place.starts_with(start) && *error == errno);
        let wrong = || End::Wrong(format!("error {errno}: {what}"));
        self.count(excuse.map_or_else(wrong, |(.., why)| End::Excused(why)), place);
    }

    /// Prints what there is; fails if anything is wrong.
    pub(crate) fn judge(&self) {
        println!("{:?}", self.ends);
        assert!(self.fails.is_empty(), "{} wrong:\n{}", self.fails.lines().count(), self.fails);
    }
}
