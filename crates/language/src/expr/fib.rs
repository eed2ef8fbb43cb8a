//! `fib`: what the routing table says.

use crate::print::Printer;

/// `fib saddr . iif oif`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fib {
    /// What is looked up: `saddr`, `daddr`, `mark`, `iif`, `oif`, in the order written.
    pub tuple: Vec<Box<str>>,
    /// What is asked: `oif`, `oifname`, `type`, `check`.
    pub result: Box<str>,
}

impl Fib {
    /// In nft's canonical form.
    pub fn print(&self, out: &mut Printer) {
        out.text("fib ");
        for (at, part) in self.tuple.iter().enumerate() {
            if at > 0 {
                out.text(" . ");
            }
            out.text(part);
        }
        out.text(" ").text(&self.result);
    }
}
