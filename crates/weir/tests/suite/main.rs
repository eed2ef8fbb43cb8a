//! The program `weir` held against what others say: Wireshark's counts, the kernel's counters, the pages
//! that people copy rulesets from, and captures of hostile traffic.

mod examples;
mod hostile;
mod nat;
mod outside;
mod seeds;
mod tree;
mod tshark;
