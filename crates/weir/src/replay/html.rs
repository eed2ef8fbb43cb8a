//! The report as a page.

use super::report::Report;

/// One self-contained page.
pub fn page(report: &Report) -> String {
    let _ = report;
    String::new()
}
