//! The program `weir` held against what others say: the kernel's counters, the pages
//! that people copy rulesets from, and captures of hostile traffic.

mod examples;
mod hostile;
mod nat;
mod outside;
mod seeds;
mod tree;
