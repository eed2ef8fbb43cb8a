//! What nft 1.0.6 lists in other words than nft 1.1.6, whose listing this crate follows, and what it gets wrong.

/// A difference that is not the meaning's.
struct Difference {
    /// Why the words differ.
    #[expect(dead_code, reason = "for the reader of the table")]
    why: &'static str,
    /// A line of a listing in words that both versions would agree on.
    normal: fn(&str) -> String,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "a burst of 5 packets, the default, is listed since 1.0.9",
        normal: |line| line.replace(" burst 5 packets", ""),
    },
    Difference {
        why: "the number of elements is listed beside a set's size since 1.1.4",
        normal: |line| line.split("\t# count ").next().unwrap_or(line).to_string(),
    },
    Difference {
        why: "devices are listed in quotes since 1.0.7",
        normal: |line| match line.split_once("devices = { ") {
            Some((before, after)) => format!("{before}devices = {{ {}", after.replace('"', "")),
            None => line.to_string(),
        },
    },
    Difference {
        why: "flags under a mask are listed as `&` and a comparison since 1.1.6",
        normal: masked_flags,
    },
    Difference { why: "time runs between loading and listing", normal: without_expiry },
];

/// Texts whose listing by 1.0.6 is wrong: name, and what is wrong.
pub(crate) const STOCK_IS_WRONG: &[(&str, &str)] = &[
    (
        "maps/typeof_maps_add_delete.nft",
        "a key's timeout beside a map's data is listed as a number of `[invalid type]`, which it cannot read back",
    ),
    (
        "optimizations/single_anon_set_expr.nft",
        "a set of one element with a counter is listed without the counter",
    ),
];

/// A listing in words that do not depend on the version.
pub(crate) fn normal(listing: &str) -> String {
    let sorted = sorted_groups(listing);
    let mut out = String::with_capacity(sorted.len());
    for line in sorted.lines() {
        let line = DIFFERENCES.iter().fold(line.to_string(), |line, difference| (difference.normal)(&line));
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The members of each `{ a, b }` in order: the kernel's hash sets list them in any order, and the two versions
/// break lines at different places.
fn sorted_groups(listing: &str) -> String {
    let mut frames: Vec<Vec<String>> = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = listing.chars().peekable();
    while let Some(character) = characters.next() {
        quoted ^= character == '"';
        let inside = frames.len() > 1;
        match character {
            '{' if !quoted && characters.peek() != Some(&'\n') => frames.push(vec![String::new()]),
            '}' if !quoted && inside => {
                let mut members = frames.pop().unwrap_or_default();
                members.iter_mut().for_each(|member| *member = member.trim().to_string());
                members.sort();
                append(&mut frames, &format!("{{ {} }}", members.join(", ")));
            }
            ',' if !quoted && inside => {
                frames.iter_mut().last().into_iter().for_each(|f| f.push(String::new()))
            }
            '\n' | '\t' if inside => append(&mut frames, " "),
            _ => append(&mut frames, character.encode_utf8(&mut [0; 4])),
        }
    }
    frames.concat().concat()
}

fn append(frames: &mut [Vec<String>], text: &str) {
    if let Some(member) = frames.last_mut().and_then(|frame| frame.last_mut()) {
        member.push_str(text);
    }
}

/// `tcp flags & (a | b) == c | d` is `tcp flags c,d / a,b`.
fn masked_flags(line: &str) -> String {
    let Some((before, after)) = line.split_once("tcp flags & (") else { return line.to_string() };
    let Some((mask, after)) = after.split_once(") ") else { return line.to_string() };
    let (operator, after) = match (after.strip_prefix("== "), after.strip_prefix("!= ")) {
        (Some(after), _) => ("", after),
        (_, Some(after)) => ("!= ", after),
        _ => return line.to_string(),
    };
    let words: Vec<&str> = after.split(' ').collect();
    let flags = 1 + words[1..].chunks(2).take_while(|pair| pair[0] == "|").count();
    let value: Vec<&str> = words.iter().step_by(2).take(flags).copied().collect();
    let rest = words.get(flags * 2 - 1..).unwrap_or_default().join(" ");
    let line =
        format!("{before}tcp flags {operator}{} / {} {rest}", value.join(","), mask.replace(" | ", ","));
    line.trim_end().to_string()
}

/// Without `expires 1m2s`.
fn without_expiry(line: &str) -> String {
    let mut parts = line.split(" expires ");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(part.len());
        out.push_str(&part[end..]);
    }
    out
}
