//! What may follow a text: keywords, and the names of what exists. The interactive mode of nft offers it at Tab.
//!
//! The parser says what is wrong with a text, and this what could come next; it reads words alone, knows where they stand
//! by the braces around them, and errs on the side of offering too much. nft's own completion is that of file names
//! (`src/cli.c`, libedit's default).

mod declared;
mod rule;

use ironweir_expr::objref::ObjectType;
use ironweir_ruleset::store::TableState;
use ironweir_ruleset::{Family, Ruleset, TableId};

use declared::Block;

/// What may stand where a text ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where the word begins that they would replace, in bytes from the beginning of the text.
    pub start: usize,
    /// Words that begin with what stands there, in alphabetical order.
    pub words: Vec<String>,
}

/// What may follow `text`, or complete its last word, given what is known of a ruleset.
pub fn complete(text: &str, ruleset: &Ruleset) -> Completion {
    let (place, start) = Place::of(text);
    let begun = text.get(start..).unwrap_or_default();
    let offered = Offer { ruleset, found: Vec::new() }.at(&place, begun);
    let mut words: Vec<String> = offered.into_iter().filter(|word| word.starts_with(begun)).collect();
    words.sort_unstable();
    words.dedup();
    Completion { start, words }
}

/// How deep the braces may be that are kept in mind; what lies deeper is no ruleset.
const MAX_DEPTH: usize = 64;

/// Where a text ends.
#[derive(Debug, Default)]
struct Place<'t> {
    /// Words before each brace that is open, from the outermost on.
    around: Vec<Vec<&'t str>>,
    /// Words of the statement so far, without the last one if that is not finished.
    words: Vec<&'t str>,
}

impl<'t> Place<'t> {
    /// The place at the end of a text, and where its last word begins.
    fn of(text: &'t str) -> (Place<'t>, usize) {
        let mut place = Place::default();
        let mut begin: Option<usize> = None;
        let mut quoted = false;
        for (at, letter) in text.char_indices() {
            if letter == '"' {
                quoted = !quoted;
            }
            if quoted || !(letter.is_whitespace() || matches!(letter, '{' | '}' | ';' | ',')) {
                begin.get_or_insert(at);
                continue;
            }
            if let Some(begin) = begin.take() {
                place.words.extend(text.get(begin..at));
            }
            match letter {
                '{' if place.around.len() < MAX_DEPTH => place.around.push(std::mem::take(&mut place.words)),
                // What follows a block may be the rest of its statement: `vmap { ... } counter`.
                '}' => {
                    place.words = place.around.pop().unwrap_or_default();
                    place.words.push("}");
                }
                ';' | '\n' => place.words.clear(),
                _ => {}
            }
        }
        (place, begin.unwrap_or(text.len()))
    }
}

/// Words of commands.
const VERBS: &[&str] = &[
    "add", "create", "insert", "replace", "delete", "destroy", "list", "reset", "get", "flush", "rename",
    "describe", "monitor", "table", "include", "define", "undefine", "redefine", "quit", "exit",
];

/// Things that are added and deleted, each in a table but for the first.
const THINGS: &[&str] = &[
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "secmark",
    "synproxy",
    "ct",
    "tunnel",
];

const FAMILIES: &[&str] = &["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// Things that `list` shows, beside those of [`THINGS`].
const LISTED: &[&str] = &[
    "ruleset",
    "tables",
    "chains",
    "sets",
    "maps",
    "meters",
    "meter",
    "flowtables",
    "counters",
    "quotas",
    "limits",
    "synproxys",
    "secmarks",
    "hooks",
];

const RESET: &[&str] = &["counters", "counter", "quotas", "quota", "rules", "rule", "set", "map", "element"];
const FLUSHED: &[&str] = &["ruleset", "table", "chain", "set", "map", "meter"];
const MONITORED: &[&str] = &[
    "new",
    "destroy",
    "tables",
    "chains",
    "rules",
    "sets",
    "elements",
    "trace",
    "ruleset",
    "objects",
    "flowtables",
    "json",
    "vm",
];

/// The words that are offered.
struct Offer<'r> {
    ruleset: &'r Ruleset,
    found: Vec<String>,
}

impl Offer<'_> {
    fn words(&mut self, words: impl IntoIterator<Item = impl Into<String>>) {
        self.found.extend(words.into_iter().map(Into::into));
    }

    fn at(mut self, place: &Place<'_>, begun: &str) -> Vec<String> {
        match place.around.last().map(|before| Block::opened_by(before, &place.around)) {
            None => self.command(&place.words, begun),
            Some(block) => self.inside(&block, place, begun),
        }
        self.found
    }

    fn command(&mut self, words: &[&str], begun: &str) {
        let Some((verb, rest)) = words.split_first() else { return self.words(VERBS.iter().copied()) };
        match (*verb, rest.split_first()) {
            ("add" | "create" | "delete" | "destroy", None) => self.words(THINGS.iter().copied()),
            ("list", None) => self.words(THINGS.iter().chain(LISTED).copied().filter(|word| *word != "rule")),
            ("reset", None) => self.words(RESET.iter().copied()),
            ("flush", None) => self.words(FLUSHED.iter().copied()),
            ("insert" | "replace", None) => self.words(["rule"]),
            ("rename", None) => self.words(["chain"]),
            ("get", None) => self.words(["element"]),
            ("monitor", _) => self.words(MONITORED.iter().copied()),
            ("describe", _) => self.rule(None, rest, begun),
            ("add" | "create" | "insert" | "replace" | "delete" | "destroy", Some((thing, rest)))
            | ("list" | "reset" | "flush" | "rename" | "get", Some((thing, rest))) => {
                self.thing(verb, thing, rest, begun);
            }
            (thing, _) if THINGS.contains(&thing) => self.thing("add", thing, rest, begun),
            _ => {}
        }
    }

    /// `[family] TABLE NAME ...` behind what kind of thing it is.
    fn thing(&mut self, verb: &str, thing: &str, rest: &[&str], begun: &str) {
        if matches!(thing, "ruleset" | "tables" | "chains" | "flowtables" | "hooks") {
            return if rest.is_empty() { self.words(FAMILIES.iter().copied()) } else { Default::default() };
        }
        let (kind, rest) = match (thing, rest.split_first()) {
            ("ct", None) => return self.words(["helper", "timeout", "expectation"]),
            ("ct", Some((kind, rest))) => (*kind, rest),
            _ => (thing, rest),
        };
        let (family, rest) = match rest.split_first().and_then(|(word, rest)| Some((family(word)?, rest))) {
            Some((family, rest)) => (Some(family), rest),
            None => (None, rest),
        };
        let Some((name, rest)) = rest.split_first() else { return self.tables(family, thing) };
        let table = TableId { family: family.unwrap_or(Family::Ip), name: (*name).into() };
        let known = self.ruleset.table(&table);
        match (thing, rest) {
            ("table", _) => self.words((verb == "add").then_some("{")),
            (_, []) => {
                if let Some(known) = known {
                    self.names(known, kind);
                }
            }
            ("rule", [_]) if verb == "delete" || verb == "destroy" || verb == "replace" => {
                self.words(["handle"])
            }
            ("rule", [_, rest @ ..]) if matches!(verb, "add" | "insert" | "replace" | "create") => {
                if rest.is_empty() {
                    self.words(["position", "index"]);
                }
                self.rule(known, rest, begun);
            }
            ("chain" | "set" | "map" | "element" | "flowtable", [_])
                if verb == "add" || thing == "element" =>
            {
                self.words(["{"]);
            }
            _ => {}
        }
    }

    /// Tables of a family, or of all with the families' words.
    fn tables(&mut self, family: Option<Family>, thing: &str) {
        let all = self.ruleset.tables().map(|table| &table.table.id);
        let names = all.filter(|id| id.family == family.unwrap_or(Family::Ip)).map(|id| id.name.to_string());
        self.found.extend(names);
        if family.is_none() {
            self.words(FAMILIES.iter().copied());
            if matches!(thing, "sets" | "maps" | "counters" | "quotas" | "limits" | "secmarks" | "synproxys")
            {
                self.words(["table"]);
            }
        }
    }

    /// Names of things of a kind in a table.
    fn names(&mut self, table: &TableState, kind: &str) {
        let object = match kind {
            "counter" => ObjectType::Counter,
            "quota" => ObjectType::Quota,
            "limit" => ObjectType::Limit,
            "secmark" => ObjectType::Secmark,
            "synproxy" => ObjectType::Synproxy,
            "tunnel" => ObjectType::Tunnel,
            "helper" => ObjectType::CtHelper,
            "timeout" => ObjectType::CtTimeout,
            "expectation" => ObjectType::CtExpectation,
            "chain" | "rule" | "rules" => {
                return self.words(table.chains().map(|chain| &*chain.chain.name));
            }
            "set" | "map" | "element" | "meter" => {
                let named = table.sets().filter(|set| !set.is_anonymous());
                let wanted = named.filter(|set| match kind {
                    "set" => set.set.data.is_none(),
                    "map" => set.set.data.is_some(),
                    _ => true,
                });
                return self.words(wanted.map(|set| &*set.set.name));
            }
            "flowtable" => {
                return self.words(table.flowtables().map(|flowtable| &*flowtable.flowtable.name));
            }
            _ => return,
        };
        let all = table.objects().filter(|known| known.object.object_type() == object);
        self.words(all.map(|known| &*known.object.name));
    }
}

fn family(word: &str) -> Option<Family> {
    Some(match word {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        "inet" => Family::Inet,
        "arp" => Family::Arp,
        "bridge" => Family::Bridge,
        "netdev" => Family::Netdev,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::NoFiles;
    use crate::session::{Backend, Memory, Session};
    use crate::source::Sources;
    use ironweir_wire::Instant;

    fn ruleset() -> Ruleset {
        let text = "table ip t { set hosts { type ipv4_addr; }; map ports { type inet_service : verdict; }
            counter web { }; ct helper ftp { type \"ftp\" protocol tcp; }
            chain input { type filter hook input priority 0; }; chain ssh { ip saddr { 1.2.3.4, 5.6.7.8 } } }
            table inet wall { chain forward { } }";
        let mut sources = Sources::new();
        let source = sources.add("test", text, None).unwrap();
        let mut memory = Memory::new(Instant::default());
        let outcome = Session::default().run(&mut sources, source, &NoFiles, &mut memory);
        assert!(outcome.ok(), "{}", outcome.render(&sources));
        memory.ruleset().clone()
    }

    fn offered(text: &str) -> Vec<String> {
        complete(text, &ruleset()).words
    }

    #[test]
    fn what_is_offered_is_what_may_stand_there() {
        for (text, expected) in [
            ("de", &["define", "delete", "describe", "destroy"][..]),
            ("list ta", &["table", "tables"]),
            ("list table ", &["arp", "bridge", "inet", "ip", "ip6", "netdev", "t"]),
            ("list table inet ", &["wall"]),
            ("add rule ip t ", &["input", "ssh"]),
            ("list chain t s", &["ssh"]),
            ("list set ip t ", &["hosts"]),
            ("list map ip t ", &["ports"]),
            ("list counter ip t w", &["web"]),
            ("list ct helper ip t ", &["ftp"]),
            ("add element ip t ", &["hosts", "ports"]),
            ("delete rule ip t input ", &["handle"]),
            ("add rule ip t input tcp dp", &["dport"]),
            ("add rule ip t input ip saddr @", &["@hosts", "@ports"]),
            ("add rule ip t input jump ", &["input", "ssh"]),
            ("add rule ip t input ct state est", &["established"]),
            ("add rule ip t input meta l4", &["l4proto"]),
            ("add rule ip t input ip protocol ig", &["igmp"]),
            ("add rule ip t input counter na", &["name"]),
            ("add rule ip t input counter name ", &["web"]),
            ("add rule ip t input tcp dport { 22, 80 } acc", &["accept"]),
            ("add rule ip t input tcp dport vmap @po", &["@ports"]),
            ("list ruleset; flush ru", &["ruleset"]),
            ("add chain ip t x { type fi", &["filter"]),
            ("add chain ip t x { type filter hook pre", &["prerouting"]),
            ("add chain ip t x { type filter hook prerouting priority mang", &["mangle"]),
            ("add chain ip t x { type filter hook prerouting priority 0; po", &["policy"]),
            ("table ip t { ch", &["chain"]),
            ("table ip t { chain x { jump s", &["ssh"]),
            ("table ip t { chain x { ct state { new, inv", &["invalid"]),
            ("add set ip t x { ty", &["type", "typeof"]),
            ("add set ip t x { type ipv4", &["ipv4_addr"]),
            ("add set ip t x { type ipv4_addr; flags int", &["interval"]),
            ("describe tcp fl", &["flags"]),
            ("monitor ru", &["rules", "ruleset"]),
        ] {
            assert_eq!(offered(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_last_word_is_replaced_from_its_beginning() {
        assert_eq!(complete("list cha", &ruleset()).start, 5);
        assert_eq!(complete("list ", &ruleset()).start, 5);
        assert_eq!(complete("add rule ip t input ip saddr {1.2.3.4,", &ruleset()).start, 38);
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in ["", "}", "} } }", "\"", "{{{{", ";;;", "ü {ü} ü", "add rule \u{0} ,"] {
            complete(text, &ruleset());
        }
        complete(&"{ ".repeat(100_000), &ruleset());
    }
}
