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
    Difference {
        why: "masks are listed in hexadecimal, and as wide as a shifted value, since 1.1.0",
        normal: decimal,
    },
    Difference { why: "time runs between loading and listing", normal: without_expiry },
];

/// Texts that 1.0.6 lists otherwise: name, and what it does. It must differ: what agrees leaves the list.
pub(crate) const EXCUSED: &[(&str, &str)] = &[
    (
        "maps/typeof_maps_add_delete.nft",
        "a key's timeout beside a map's data is listed as a number of `[invalid type]`, which it cannot read back",
    ),
    (
        "optimizations/single_anon_set_expr.nft",
        "a set of one element with a counter is listed without the counter",
    ),
    ("like_stock.txt:21", "a field's own shift is listed where the bytecode has it"),
    (
        "like_stock.txt:102",
        "a match that ARP in an inet table needs is left out, and with it what it accepts",
    ),
    ("like_stock.txt:148", "the set of a meter is not listed"),
    ("like_stock.txt:164", "a prefix of a field of a chunk is listed as an unknown field"),
    ("like_stock.txt:165", "a prefix of a field of an option is listed as an unknown field"),
    ("any/meta.t:59", "a mark under a mask is listed as a prefix"),
    (
        "any/meta.t:228",
        "hours over midnight are listed as what is between, negated; 1.1.6 lists them as written",
    ),
    ("any/rawpayload.t:24", "raw payload is listed as a field of another protocol's header"),
    ("any/rawpayload.t:27", "bits of raw payload are listed with the bytes around them"),
    ("any/rawpayload.t:28", "bits of raw payload are listed with the bytes around them"),
    ("any/rawpayload.t:29", "bits of raw payload are listed with the bytes around them"),
    ("any/rawpayload.t:31", "bits of raw payload are listed with the bytes around them"),
    ("any/rawpayload.t:32", "bits of raw payload are listed with the bytes around them"),
    ("any/tcpopt.t:55", "MPTCP subtypes have no names yet"),
    ("bridge/vlan.t:56", "statements are listed in another order than they run in"),
    ("inet/ct.t:14", "`meta nfproto` before `ct protocol` is left out, and with it the meaning"),
    ("inet/fib.t:17", "`fib ... check` is not known"),
    ("inet/tproxy.t:23", "a map of ports is left out"),
    ("ip6/icmpv6.t:31", "ICMPv6 codes have names whatever the type is"),
    ("ip6/icmpv6.t:33", "ICMPv6 codes have names whatever the type is"),
    ("ip6/icmpv6.t:34", "ICMPv6 codes have names whatever the type is"),
    ("ip6/icmpv6.t:87", "ICMPv6 codes have names whatever the type is"),
];

/// Texts that 1.0.6 makes other bytecode of: name, and what it does.
pub(crate) const EXCUSED_CODE: &[(&str, &str)] = &[
    ("any/meta.t:224", "the last second of a day is none"),
    ("bridge/vlan.t:56", "statements change their order"),
    ("inet/udp.t:44", "UDP's checksum is mended even where there is none"),
    ("inet/udp.t:45", "UDP's checksum is mended even where there is none"),
    ("ip/numgen.t:8", "a number that is an address keeps the machine's byte order"),
    ("ip/numgen.t:9", "a number that is an address keeps the machine's byte order"),
    ("nat.txt:47", "a number that is a port does as well"),
    (
        "chains/0041chain_binding_0.nft",
        "a rule's sets are made before those of the chain within it, here after",
    ),
    ("nft-f/sample-ruleset.nft", "a rule's sets are made before those of the chain within it, here after"),
    ("optimizations/single_anon_set_expr.nft", "a set of one element with a counter is a comparison"),
    ("sets/0043concatenated_ranges_0.nft", "even one byte is brought into the network's order"),
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

/// `15` for `0x0000000f`.
fn decimal(line: &str) -> String {
    let mut parts = line.split("0x");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        match u128::from_str_radix(&part[..digits], 16) {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => out.push_str(&format!("0x{}", &part[..digits])),
        }
        out.push_str(&part[digits..]);
    }
    out
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
