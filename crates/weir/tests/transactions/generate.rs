//! Transactions of random commands over a small ruleset, so that they meet: names that are there and names that are not,
//! sets in use, chains that are jumped to, intervals that overlap.

/// Numbers that a seed decides (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `first` to `last`.
    fn within(&mut self, first: u64, last: u64) -> u64 {
        first + (self.number() >> 11) % (last - first + 1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0, from.len() as u64 - 1) as usize]
    }
}

/// What is there before.
pub(crate) const BASE: &str = "table ip t {
	set s {
		type ipv4_addr
		elements = { 1.1.1.1, 1.1.1.2 }
	}
	set i {
		type inet_service
		flags interval
		elements = { 10-20, 30-40 }
	}
	set a {
		type inet_service
		flags interval
		auto-merge
		elements = { 10-20, 30-40 }
	}
	map m {
		type ipv4_addr : verdict
		elements = { 1.1.1.1 : jump c2 }
	}
	map d {
		type inet_service : mark
		elements = { 1 : 1 }
	}
	counter k {
		packets 0 bytes 0
	}
	quota q {
		over 100 bytes
	}
	chain b {
		type filter hook input priority filter; policy accept;
		ip saddr @s drop
		ip saddr vmap @m
		jump c1
	}
	chain c1 {
		tcp dport @i accept
		counter name \"k\"
		jump c2
	}
	chain c2 {
		accept
	}
	chain c3 {
	}
}
table ip6 o {
	chain c {
		accept
	}
}
";

const RULES: [&str; 17] = [
    "accept",
    "drop",
    "counter",
    "ip saddr @s accept",
    "tcp dport @i drop",
    "tcp dport { 1, 2, 5-9 } accept",
    "ip saddr { 1.1.1.1, 2.2.2.2 } drop",
    "jump c3",
    "jump c1",
    "goto c2",
    "ip saddr vmap @m",
    "counter name \"k\"",
    "tcp dport vmap { 1 : accept, 2 : jump c3 }",
    "meta mark set tcp dport map @d",
    "quota name \"q\"",
    "meta mark set tcp dport map { 1 : 1, 2-5 : 2 }",
    "log prefix \"x\"",
];

/// Transactions of one to ten commands over [`BASE`].
pub(crate) fn transactions(chance: &mut Chance) -> Vec<String> {
    let count = chance.pick(&[1, 2, 3, 5]);
    (0..count)
        .map(|_| {
            let commands = chance.pick(&[1, 2, 3, 4, 6, 10]);
            (0..commands).map(|_| command(chance) + "\n").collect()
        })
        .collect()
}

fn command(chance: &mut Chance) -> String {
    let table = if chance.within(0, 30) == 0 { "new" } else { "t" };
    let chain = chance.pick(&["b", "c1", "c2", "c3", "c3", "c3"]);
    let set = chance.pick(&["s", "i", "a", "m", "d"]);
    let rule = chance.pick(&RULES);
    let handle = chance.within(10, 20);
    match chance.within(0, 38) {
        0 => format!("add table ip {table}"),
        1 => format!("create table ip {}", chance.pick(&[table, "new", "new2"])),
        2 if chance.within(0, 9) < 4 => format!("delete table ip {table}"),
        3 => format!("flush table ip {table}"),
        4 | 5 => format!("add chain ip {table} {chain}"),
        6 => format!("create chain ip {table} {chain}"),
        7 => format!("delete chain ip {table} {chain}"),
        8 => format!("flush chain ip {table} {chain}"),
        9 => format!("rename chain ip {table} {chain} {}", chance.pick(&["r1", "c2", "n1"])),
        10..=13 => format!("add rule ip {table} {chain} {rule}"),
        14 => format!("insert rule ip {table} {chain} {rule}"),
        15 => format!("delete rule ip {table} {chain} handle {handle}"),
        16 => format!("replace rule ip {table} {chain} handle {handle} {rule}"),
        17 => {
            let (verb, index) = (chance.pick(&["add", "insert"]), chance.within(0, 2));
            format!("{verb} rule ip {table} {chain} index {index} {rule}")
        }
        18 | 19 => {
            let (name, kind) =
                (chance.pick(&["ns", "s", "ns2"]), chance.pick(&["ipv4_addr", "ipv4_addr", "inet_service"]));
            format!("add set ip {table} {name} {{ type {kind}; }}")
        }
        20 => {
            let name = chance.pick(&["ns", "s", "ns2"]);
            format!("create set ip {table} {name} {{ type ipv4_addr; }}")
        }
        21 => {
            let name = chance.pick(&["nm", "m", "s"]);
            format!("add map ip {table} {name} {{ type ipv4_addr : mark; }}")
        }
        22 => format!("delete {} ip {table} {set}", chance.pick(&["set", "set", "map"])),
        23 | 24 => format!("flush {} ip {table} {set}", chance.pick(&["set", "set", "map"])),
        25 => format!("create element ip {table} {set} {{ {} }}", elements(chance, set, true)),
        26 | 27 => format!("delete element ip {table} {set} {{ {} }}", elements(chance, set, false)),
        28 => format!("add counter ip {table} {}", chance.pick(&["k", "nk"])),
        29 => format!("create counter ip {table} {}", chance.pick(&["k", "nk"])),
        30 => {
            let (kind, name) = (chance.pick(&["counter", "quota"]), chance.pick(&["k", "nk", "q"]));
            format!("delete {kind} ip {table} {name}")
        }
        31 => format!("chain ip {table} {chain} {{ policy {} ; }}", chance.pick(&["drop", "accept"])),
        32 if chance.within(0, 9) < 3 => "flush ruleset".to_owned(),
        33 => {
            let name = chance.pick(&["nb", "b", "c3"]);
            let (hook, priority) = (chance.pick(&["input", "output"]), chance.pick(&[0, 10]));
            format!("add chain ip {table} {name} {{ type filter hook {hook} priority {priority} ; }}")
        }
        34 => {
            let (address, other) = (address(chance), chance.pick(&RULES));
            format!(
                "table ip t {{\n set bs {{\n type ipv4_addr\n elements = {{ {address} }}\n }}\n \
                 chain {chain} {{\n {rule}\n {other}\n }}\n}}"
            )
        }
        _ => format!("add element ip {table} {set} {{ {} }}", elements(chance, set, true)),
    }
}

fn address(chance: &mut Chance) -> String {
    format!("1.1.1.{}", chance.within(1, 6))
}

fn elements(chance: &mut Chance, set: &str, with_data: bool) -> String {
    let count = chance.pick(&[1, 1, 2, 3]);
    let of = |chance: &mut Chance| match set {
        "i" | "a" => {
            let first = chance.within(5, 45);
            range(first, first + chance.pick(&[0, 0, 3, 10]))
        }
        "m" if with_data => {
            let verdict = chance.pick(&["accept", "drop", "jump c2", "jump c3", "goto c1"]);
            format!("{} : {verdict}", address(chance))
        }
        "d" if with_data => format!("{} : {}", chance.within(1, 5), chance.within(1, 2)),
        "d" => chance.within(1, 5).to_string(),
        _ => address(chance),
    };
    (0..count).map(|_| of(chance)).collect::<Vec<_>>().join(", ")
}

fn range(first: u64, last: u64) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Places of an interval beside 100-200: apart, touching, overlapping, within, around.
const BESIDE: [(u64, u64); 18] = [
    (100, 200),
    (50, 99),
    (50, 100),
    (50, 150),
    (150, 250),
    (200, 250),
    (201, 250),
    (120, 180),
    (100, 150),
    (150, 200),
    (50, 250),
    (100, 250),
    (50, 200),
    (100, 100),
    (200, 200),
    (150, 150),
    (99, 99),
    (201, 201),
];

/// A set or map of intervals, and what is done to it with an interval beside another.
pub(crate) fn intervals(chance: &mut Chance) -> (String, Vec<String>) {
    let kind = chance.pick(&["inet_service", "mark", "ipv4_addr", "ipv6_addr"]);
    let shape = chance.pick(&["", "auto-merge", "map", "pairs"]);
    let (first, last) = chance.pick(&BESIDE);
    let text = |first: u64, last: u64| {
        let one = |number: u64| match kind {
            "mark" => format!("{number:#x}"),
            "ipv4_addr" => format!("10.0.{}.{}", number >> 8, number & 255),
            "ipv6_addr" => format!("fe80::{number:x}"),
            _ => number.to_string(),
        };
        let interval = if first == last { one(first) } else { format!("{}-{}", one(first), one(last)) };
        match shape {
            "pairs" => format!("{interval} . {}", range(first, last)),
            _ => interval,
        }
    };
    let data = |number: u64| if shape == "map" { format!(" : {number}") } else { String::new() };
    let declared = match shape {
        "map" => format!("map s {{\ntype {kind} : mark\nflags interval\n}}"),
        "pairs" => format!("set s {{\ntype {kind} . inet_service\nflags interval\n}}"),
        more => format!("set s {{\ntype {kind}\nflags interval\n{more}\n}}"),
    };
    let base = format!("table ip t {{\n{declared}\n}}\n");
    let known = text(100, 200);
    let other = text(first, last);
    let (one, two) = (data(1), data(chance.pick(&[1, 2])));
    let add = |elements: String| format!("add element ip t s {{ {elements} }}\n");
    let delete = |elements: &str| format!("delete element ip t s {{ {elements} }}\n");
    let steps = match chance.within(0, 6) {
        0 => vec![
            add(format!("{known}{one}")),
            add(format!("{other}{two}")),
            add(format!("{}{one}", text(300, 400))),
        ],
        1 => vec![add(format!("{known}{one}")) + &add(format!("{other}{two}"))],
        2 => vec![add(format!("{known}{one}, {other}{two}"))],
        3 => {
            let create = format!("create element ip t s {{ {other}{two} }}\n");
            vec![add(format!("{known}{one}")), create]
        }
        4 => vec![add(format!("{known}{one}")), delete(&other)],
        5 => vec![add(format!("{known}{one}")), delete(&known) + &add(format!("{other}{two}"))],
        _ => vec![
            add(format!("{known}{one}")),
            "flush set ip t s\n".to_owned() + &add(format!("{other}{two}")),
        ],
    };
    (base, steps)
}
