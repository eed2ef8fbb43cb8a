//! The weir program as a library: command lines, the host file, replay and its reports.

pub mod apply;
pub mod backend;
pub mod cli;
pub mod conntrack;
pub mod difftest;
pub mod exec;
pub mod files;
pub mod host_file;
pub mod machine;
pub mod manual;
pub mod nft;
pub mod replay;
pub mod resolver;
pub mod run;
pub mod top;
