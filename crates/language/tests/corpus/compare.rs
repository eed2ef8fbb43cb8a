//! When two listings or two bytecode listings are the same.

use std::fmt::Write;

/// One comparable line of `--debug=netlink`: an instruction, or a set's elements in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeLine {
    Instruction(String),
    Elements(Vec<String>),
}

/// The instruction and element lines of a `--debug=netlink` text.
pub(crate) fn code_lines(text: &str) -> Vec<CodeLine> {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if line.starts_with("  [") {
            lines.push(CodeLine::Instruction(one_blank(line)));
        } else if line.split_whitespace().next() == Some("element") {
            let without_end = line.replace("[end]", "");
            let mut elements: Vec<String> =
                without_end.split("element").map(one_blank).filter(|item| !item.is_empty()).collect();
            elements.sort();
            lines.push(CodeLine::Elements(elements));
        }
    }
    lines
}

fn one_blank(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first line where two bytecode texts differ, told to a human; `None` where they are equal.
pub(crate) fn difference(want: &[CodeLine], got: &[CodeLine]) -> Option<String> {
    let count = want.len().max(got.len());
    let at = (0..count).find(|at| want.get(*at) != got.get(*at))?;
    let show = |lines: &[CodeLine]| match lines.get(at) {
        None => "(nothing)".to_string(),
        Some(CodeLine::Instruction(text)) => text.clone(),
        Some(CodeLine::Elements(items)) => items.iter().fold(String::new(), |mut text, item| {
            let _ = write!(text, "element {item}  ");
            text
        }),
    };
    Some(format!("line {} want: {} got: {}", at + 1, show(want), show(got)))
}

/// The rules of a chain in a text listing, as one line.
pub(crate) fn rule_text(listing: &str, chain: &str) -> String {
    let head = format!("\tchain {chain} {{");
    let mut lines = listing.split('\n').skip_while(|line| !line.starts_with(&head)).skip(1).peekable();
    if lines.peek().is_some_and(|line| line.starts_with("\t\ttype ")) {
        lines.next();
    }
    let body: Vec<&str> =
        lines.take_while(|line| *line != "\t}").map(str::trim).filter(|line| !line.is_empty()).collect();
    body.join(" ")
}

/// Whether two rules are equal but for blanks and order inside braces.
pub(crate) fn same_rule(want: &str, got: &str) -> bool {
    want == got || want.contains('{') && plain(want) == plain(got)
}

/// Replaces every innermost `{...}` by its sorted elements without blanks until there is none.
fn plain(text: &str) -> String {
    let mut text = text.to_string();
    while let Some((open, close)) = innermost(&text) {
        let mut elements: Vec<String> = text[open + 1..close]
            .split(',')
            .map(|element| element.chars().filter(|c| !c.is_whitespace()).collect())
            .collect();
        elements.sort();
        text.replace_range(open..=close, &format!("<{}>", elements.join(",")));
    }
    text
}

fn innermost(text: &str) -> Option<(usize, usize)> {
    let close = text.match_indices('}').map(|(at, _)| at);
    close.filter_map(|close| text[..close].rfind('{').map(|open| (open, close))).next()
}

#[test]
fn order_and_blanks_inside_braces_do_not_matter() {
    assert!(same_rule("ip saddr { 1.1.1.1, 2.2.2.2} accept", "ip saddr { 2.2.2.2, 1.1.1.1 } accept"));
    assert!(!same_rule("ip saddr { 1.1.1.1 } accept", "ip saddr { 1.1.1.1 }  accept"));
    assert!(!same_rule("counter", "counter "));
}

#[test]
fn elements_compare_in_any_order_and_instructions_in_theirs() {
    let want = code_lines("\telement 01 flags 1\telement 02\n  [ a ]\n  [ b  c ]\nip t c\n");
    assert_eq!(want, code_lines("\telement 02 [end]\telement 01 flags 1\n  [ a ]\n  [ b c ]"));
    assert!(difference(&want, &code_lines("  [ a ]")).is_some());
}
