//! Recorded levels: how many units of each file pass. A run must reach exactly what is recorded; better figures are
//! to be recorded too (`UPDATE_LEVELS=1`), so that they cannot be lost again unnoticed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Passed and tried units of one measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) passed: usize,
    pub(crate) tried: usize,
}

impl Level {
    pub(crate) fn count(&mut self, passed: bool) {
        self.passed += usize::from(passed);
        self.tried += 1;
    }

    fn percent(self) -> f64 {
        if self.tried == 0 { 100.0 } else { 100.0 * self.passed as f64 / self.tried as f64 }
    }
}

/// Figures by file and measure.
#[derive(Default)]
pub(crate) struct Levels(BTreeMap<(String, String), Level>);

impl Levels {
    pub(crate) fn count(&mut self, file: &str, measure: &str, passed: bool) {
        self.0.entry((file.to_string(), measure.to_string())).or_default().count(passed);
    }

    /// Percentages per file and in all.
    pub(crate) fn report(&self) -> String {
        let mut totals: BTreeMap<&str, Level> = BTreeMap::new();
        let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((file, measure), level) in &self.0 {
            let total = totals.entry(measure).or_default();
            total.passed += level.passed;
            total.tried += level.tried;
            let text = format!("{measure} {}/{} {:.1}%", level.passed, level.tried, level.percent());
            files.entry(file).or_default().push(text);
        }
        let mut text = String::new();
        for (file, figures) in files {
            let _ = writeln!(text, "{file:24} {}", figures.join("  "));
        }
        for (measure, level) in totals {
            let _ = writeln!(
                text,
                "TOTAL {measure:10} {:5}/{:<5} {:6.2}%",
                level.passed,
                level.tried,
                level.percent()
            );
        }
        text
    }

    /// Compares with what is recorded under `name`, or records it anew.
    pub(crate) fn check(&self, name: &str) {
        let path = recorded(name);
        if std::env::var_os("UPDATE_LEVELS").is_some() {
            std::fs::write(&path, self.to_text()).expect("the levels can be written");
            return;
        }
        let old = parse(&std::fs::read_to_string(&path).unwrap_or_default());
        if old.is_empty() {
            println!("no levels are recorded yet in {}", path.display());
            return;
        }
        let (mut worse, mut better) = (Vec::new(), Vec::new());
        for (key, level) in &self.0 {
            let was = old.get(key).copied().unwrap_or_default();
            let line = format!("{} {}: recorded {}, now {}", key.0, key.1, was.passed, level.passed);
            match level.passed.cmp(&was.passed) {
                std::cmp::Ordering::Less => worse.push(line),
                std::cmp::Ordering::Greater => better.push(line),
                std::cmp::Ordering::Equal => {}
            }
        }
        worse.extend(
            old.keys().filter(|key| !self.0.contains_key(key)).map(|key| format!("{key:?} was not tried")),
        );
        assert!(worse.is_empty(), "below the recorded level:\n{}", worse.join("\n"));
        assert!(
            better.is_empty(),
            "better than recorded; record it with UPDATE_LEVELS=1:\n{}",
            better.join("\n")
        );
    }

    fn to_text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, ((file, measure), level)| {
            let _ = writeln!(text, "{file} {measure} {} {}", level.passed, level.tried);
            text
        })
    }
}

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/levels").join(name)
}

fn parse(text: &str) -> BTreeMap<(String, String), Level> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let key = (words.next()?.to_string(), words.next()?.to_string());
        let level = Level { passed: words.next()?.parse().ok()?, tried: words.next()?.parse().ok()? };
        Some((key, level))
    };
    text.lines().filter_map(line).collect()
}
