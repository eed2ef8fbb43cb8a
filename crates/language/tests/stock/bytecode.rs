//! Bytecode as nft 1.0.6 prints it and as this crate does: the older one has values in words of the machine, padded,
//! and ranges as two comparisons.

/// How the instructions differ; `None` where they are the same. Elements of sets are counted, not compared: the order of
/// flags, data and user data in them is another one.
pub(crate) fn difference(ours: &str, stock: &str) -> Option<String> {
    let (ours, stock) = (instructions(ours), instructions(stock));
    for at in 0..ours.len().max(stock.len()) {
        match (ours.get(at), stock.get(at)) {
            (Some(a), Some(b)) if same_line(a, b) => {}
            (a, b) => {
                let line = |line: Option<&Vec<String>>| line.map_or("(its end)".to_string(), |l| l.join(" "));
                return Some(format!("\n  stock {}\n  ours  {}", line(b), line(a)));
            }
        }
    }
    None
}

/// Words of each instruction, ranges as one, and of each line of elements their number.
fn instructions(code: &str) -> Vec<Vec<String>> {
    let mut out: Vec<Vec<String>> = Vec::new();
    for line in code.lines() {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        if line.starts_with("  [") {
            match out.last().and_then(|before| range(before, &words)) {
                Some(range) => *out.last_mut().expect("there is one") = range,
                None => out.push(words),
            }
        } else if line.trim_start().starts_with("element") {
            let elements = words.iter().filter(|word| *word == "element").count();
            out.push(vec![format!("{elements} elements")]);
        }
    }
    out
}

/// `[ cmp gte reg 1 A ]` and `[ cmp lte reg 1 B ]` are `[ range eq reg 1 A B ]`.
fn range(low: &[String], high: &[String]) -> Option<Vec<String>> {
    let is = |words: &[String], op| words.len() > 5 && words[1] == "cmp" && words[2] == op;
    if !is(low, "gte") || !is(high, "lte") || low[4] != high[4] {
        return None;
    }
    let mut words: Vec<String> = ["[", "range", "eq", "reg"].map(str::to_string).to_vec();
    words.push(low[4].clone());
    words.extend(low[5..low.len() - 1].iter().chain(&high[5..]).cloned());
    Some(words)
}

fn same_line(ours: &[String], stock: &[String]) -> bool {
    let (mut ours, mut stock) = (groups(ours).into_iter(), groups(stock).into_iter());
    loop {
        match (ours.next(), stock.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || same_value(&a, &b) => {}
            _ => return false,
        }
    }
}

/// Words, those that are parts of one value together.
fn groups(words: &[String]) -> Vec<Vec<&str>> {
    let is_value = |word: &str| word.starts_with("0x");
    let mut out: Vec<Vec<&str>> = Vec::new();
    for word in words {
        match out.last_mut() {
            Some(group) if is_value(word) && is_value(group[0]) => group.push(word),
            _ => out.push(vec![word]),
        }
    }
    out
}

fn same_value(ours: &[&str], stock: &[&str]) -> bool {
    let halves = |a: &[&str], b: &[&str]| {
        a.len().is_multiple_of(2)
            && b.len().is_multiple_of(2)
            && same_bytes(&a[..a.len() / 2], &b[..b.len() / 2])
            && same_bytes(&a[a.len() / 2..], &b[b.len() / 2..])
    };
    // Both ends of a range stand in a row
    same_bytes(ours, stock) || halves(ours, stock)
}

fn same_bytes(ours: &[&str], stock: &[&str]) -> bool {
    let digits = |word: &&str| word.strip_prefix("0x").map(str::to_string);
    let mut padded: Vec<u8> = Vec::new();
    for word in stock {
        let Some(Ok(number)) = digits(word).map(|digits| u32::from_str_radix(&digits, 16)) else {
            return false;
        };
        padded.extend(number.to_le_bytes());
    }
    let (mut whole, mut words) = (Vec::new(), Vec::new());
    for word in ours {
        let Some(digits) = digits(word) else { return false };
        let bytes: Option<Vec<u8>> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok())
            .collect();
        let Some(bytes) = bytes else { return false };
        whole.extend(&bytes);
        words.push(bytes);
    }
    let swapped_words: Vec<u8> = words.iter().flat_map(|word| word.iter().rev().copied()).collect();
    let swapped: Vec<u8> = whole.iter().rev().copied().collect();
    [whole, swapped_words, swapped].iter().any(|bytes| {
        padded.get(..bytes.len()) == Some(bytes) && padded[bytes.len()..].iter().all(|byte| *byte == 0)
    })
}
