//! A verdict as a statement.

pub use crate::expr::verdict::Verdict;
