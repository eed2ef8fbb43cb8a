//! Rules of every kind, made at random from templates: what families and hooks each is for, and holes that values are
//! drawn for. `%(a~b)` is one of several texts; `%16` a number of so many bits; with `?` behind, an operator goes before
//! it, or it is a range or a set.

mod templates;

use templates::{ACTIONS, ENDS, MATCHES, Template};
pub(crate) use templates::{PLACES, Place, SETUP};

/// A small generator (xorshift64*), so that a rule is a number.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n.max(1)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// A rule for a place: up to three matches, up to two actions, perhaps what ends it, perhaps a comment.
pub(crate) fn rule(place: &Place, random: &mut Random) -> String {
    let transport = random.one(&["tcp", "udp", "sctp", "dccp", "icmp", "none"]);
    let network = random.one(&["ip", "ip6", "l2"]);
    let fits = |template: &&Template| {
        let (families, hooks, layer) = (template.0, template.1, template.2);
        let has = |list: &str, one: &str| list.is_empty() || list.split(' ').any(|word| word == one);
        has(families, place.family)
            && has(hooks, place.hook)
            && (layer.is_empty() || layer == transport || layer == network)
    };
    let mut parts = Vec::new();
    for (templates, most) in [(MATCHES, 3), (ACTIONS, 2), (ENDS, 1)] {
        let fitting: Vec<&Template> = templates.iter().filter(fits).collect();
        for _ in 0..random.below(most + 1) {
            parts.push(filled(random.one(&fitting).3, random));
        }
    }
    if parts.is_empty() {
        parts.push("counter".to_owned());
    }
    if random.below(8) == 0 {
        parts.push(filled("comment \"%word %word; {}\"", random));
    }
    parts.join(" ")
}

/// Every template, filled twelve times, with the first place that it is for.
pub(crate) fn every_template(random: &mut Random) -> Vec<(usize, String)> {
    let has = |list: &str, one: &str| list.is_empty() || list.split(' ').any(|word| word == one);
    let mut rules = Vec::new();
    for template in [MATCHES, ACTIONS, ENDS].into_iter().flatten() {
        let fits = |place: &Place| has(template.0, place.family) && has(template.1, place.hook);
        let place = PLACES.iter().position(fits).expect("a template fits somewhere");
        // As often as choices have texts, and more: nearly every text comes.
        rules.extend((0..12).map(|_| (place, filled(template.3, random))));
    }
    rules
}

fn filled(template: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, hole)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(choice) = hole.strip_prefix('(') {
            let (texts, behind) = alternatives(choice);
            out.push_str(&filled(random.one(&texts), random));
            rest = behind;
            continue;
        }
        let name = ["ip4", "ip6", "mac", "word"].into_iter().find(|name| hole.starts_with(name));
        let digits = || hole.find(|c: char| !c.is_ascii_digit()).unwrap_or(hole.len());
        let end = name.map_or_else(digits, str::len);
        let (kind, behind) = hole.split_at(end);
        match behind.strip_prefix('?') {
            Some(behind) => {
                out.push_str(&compared(kind, random));
                rest = behind;
            }
            None => {
                out.push_str(&value(kind, random));
                rest = behind;
            }
        }
    }
    out + rest
}

/// The texts of a choice up to its `)`, and what stands behind that.
fn alternatives(choice: &str) -> (Vec<&str>, &str) {
    let (mut texts, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in choice.char_indices() {
        match c {
            '(' => depth += 1,
            '~' | ')' if depth == 0 => {
                texts.push(&choice[begin..at]);
                begin = at + 1;
                if c == ')' {
                    return (texts, &choice[begin..]);
                }
            }
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("a choice is not closed: {choice}");
}

/// A value, a range, a comparison or a set.
fn compared(kind: &str, random: &mut Random) -> String {
    let ranges = !matches!(kind, "word");
    let negated = random.one(&["", "!= "]);
    match random.below(if ranges { 6 } else { 2 }) {
        0 => format!("{negated}{}", value(kind, random)),
        1 => {
            let mut several: Vec<String> = (0..2 + random.below(4)).map(|_| value(kind, random)).collect();
            several.sort();
            several.dedup();
            // A set of one value would be listed as the value.
            match several.len() {
                1 => format!("{negated}{}", several[0]),
                _ => format!("{negated}{{ {} }}", several.join(", ")),
            }
        }
        2 => format!("{negated}{}", range(kind, random)),
        3 => {
            let mut all = [(); 3].map(|()| number(kind, random));
            all.sort_unstable();
            let [first, last, other] = all.map(|number| shown(kind, number));
            match all[0] < all[1] && all[2] - all[1] > 1 {
                true => format!("{negated}{{ {first}-{last}, {other} }}"),
                false => format!("{negated}{other}"),
            }
        }
        4 if matches!(kind, "ip4" | "ip6") => {
            let most = if kind == "ip4" { 32 } else { 128 };
            format!("{negated}{}/{}", value(kind, random), 1 + random.below(most))
        }
        _ if matches!(kind, "ip4" | "ip6" | "mac") => value(kind, random),
        _ => format!("{} {}", random.one(&["<", ">", "<=", ">="]), value(kind, random)),
    }
}

fn range(kind: &str, random: &mut Random) -> String {
    let shown = |number: u128| shown(kind, number);
    let (a, b) = (number(kind, random), number(kind, random));
    match a == b {
        true => shown(a),
        false => format!("{}-{}", shown(a.min(b)), shown(a.max(b))),
    }
}

fn value(kind: &str, random: &mut Random) -> String {
    if kind == "word" {
        return (0..1 + random.below(9)).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    }
    let number = number(kind, random);
    shown(kind, number)
}

/// Small numbers, those at the edges and any others. No comparison that is always or never true.
fn number(kind: &str, random: &mut Random) -> u128 {
    let bits = match kind {
        "ip4" => 32,
        "ip6" => 128,
        "mac" => 48,
        bits => bits.parse::<u32>().unwrap_or_else(|_| panic!("no hole is called {bits}")),
    };
    let all = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
    let any = u128::from(random.below(u64::MAX)) << 64 | u128::from(random.below(u64::MAX));
    let number = match random.below(4) {
        0 => u128::from(random.below(4)),
        1 => 1 << random.below(u64::from(bits)),
        2 => all - u128::from(random.below(3)),
        _ => any,
    };
    (number & all).clamp(1.min(all), all.saturating_sub(1).max(1))
}

fn shown(kind: &str, number: u128) -> String {
    match kind {
        "ip4" => std::net::Ipv4Addr::from(number as u32).to_string(),
        "ip6" => std::net::Ipv6Addr::from(number).to_string(),
        "mac" => {
            let bytes = (number as u64).to_be_bytes();
            let parts: Vec<String> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
            parts.join(":")
        }
        _ => number.to_string(),
    }
}
