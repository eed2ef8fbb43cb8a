//! What a manual page has beside its options: examples, exit status, files.

use std::fmt::Write;

use clap_mangen::roff::{Roff, bold, italic, roman};

/// The sections of a page behind its options. Empty ones are left out.
#[derive(Clone, Copy, Debug)]
pub struct Sections {
    /// Command lines, and what each does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit codes, and when the program ends with them.
    pub exit_status: &'static [(&'static str, &'static str)],
    /// Environment variables, and what they do.
    pub environment: &'static [(&'static str, &'static str)],
    /// Files that are read or written, and what for.
    pub files: &'static [(&'static str, &'static str)],
    /// Pages of other programs, with their section.
    pub see_also: &'static [(&'static str, &'static str)],
}

impl Sections {
    /// As the end of a manual page.
    pub fn roff(&self) -> String {
        let mut page = Roff::new();
        if !self.examples.is_empty() {
            page.control("SH", ["EXAMPLES"]);
            for (line, does) in self.examples {
                page.control("PP", []).text([roman(format!("{does}:"))]);
                page.control("PP", []).control("RS", ["4"]).control("nf", []);
                page.text([roman(*line)]).control("fi", []).control("RE", []);
            }
        }
        let named = [("EXIT STATUS", self.exit_status), ("ENVIRONMENT", self.environment)];
        for (title, entries) in named.into_iter().filter(|(_, entries)| !entries.is_empty()) {
            page.control("SH", [title]);
            for (name, means) in entries {
                page.control("TP", []).text([bold(*name)]).text([roman(*means)]);
            }
        }
        if !self.files.is_empty() {
            page.control("SH", ["FILES"]);
            for (path, holds) in self.files {
                page.control("TP", []).text([italic(*path)]).text([roman(*holds)]);
            }
        }
        if !self.see_also.is_empty() {
            page.control("SH", ["SEE ALSO"]);
            let last = self.see_also.len() - 1;
            for (at, (name, section)) in self.see_also.iter().enumerate() {
                let comma = if at == last { "" } else { "," };
                page.text([bold(*name), roman(format!("({section}){comma}"))]);
            }
        }
        page.render()
    }

    /// The examples as the end of what `--help` says.
    pub fn help(&self) -> String {
        let mut text = String::from("\nExamples:\n");
        for (line, does) in self.examples {
            let _ = writeln!(text, "  {line}\n      {does}");
        }
        text
    }
}
