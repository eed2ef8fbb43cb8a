//! How many elements of a named set stand on one line.

use crate::datatype::Type;

/// Begins every line of elements but the first, so that they stand under one another.
const NEXT_LINE: &str = ",\n\t\t\t     ";

/// Elements of a named set as nft lays them out.
pub(super) struct Lines<'a> {
    out: &'a mut String,
    per_line: usize,
    on_line: usize,
    /// What is written before the next element.
    before: &'static str,
}

impl<'a> Lines<'a> {
    /// Begins the list. `key` is the type of the key, `None` for a concatenation.
    pub(super) fn new(key: Option<Type>, is_map: bool, out: &'a mut String) -> Lines<'a> {
        let per_line = key.filter(|_| !is_map).map_or(1, per_line);
        Lines { out, per_line, on_line: 0, before: "\t\telements = { " }
    }

    /// One element. What has several words stands alone: data, state, timeout, comment.
    pub(super) fn element(&mut self, text: &str, several_words: bool) {
        self.out.push_str(self.before);
        self.out.push_str(text);
        self.on_line += 1;
        if several_words || self.on_line >= self.per_line {
            self.on_line = 0;
            self.before = NEXT_LINE;
        } else {
            self.before = ", ";
        }
    }

    /// Ends the list; nothing is written where there was no element.
    pub(super) fn finish(self) {
        if !self.before.starts_with('\t') {
            self.out.push_str(" }\n");
        }
    }
}

/// Found by listing sets of every type with nft 1.0.6.
fn per_line(key: Type) -> usize {
    match key {
        Type::Nfproto
        | Type::Integer
        | Type::HexInteger
        | Type::MptcpSubtype
        | Type::ArpOp
        | Type::InetProto
        | Type::InetService
        | Type::TcpFlag
        | Type::DccpPkttype
        | Type::Mark
        | Type::IfaceIndex
        | Type::Classid
        | Type::Uid
        | Type::Gid => 5,
        Type::Ipv4Addr | Type::CtState | Type::CtDir | Type::CtStatus | Type::PktType => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: Option<Type>, is_map: bool, elements: &[(&str, bool)]) -> String {
        let mut out = String::new();
        let mut lines = Lines::new(key, is_map, &mut out);
        elements.iter().for_each(|(text, several)| lines.element(text, *several));
        lines.finish();
        out
    }

    #[test]
    fn short_values_share_a_line() {
        let ports: Vec<String> = (1..=7).map(|port| port.to_string()).collect();
        let ports: Vec<(&str, bool)> = ports.iter().map(|port| (&**port, false)).collect();
        assert_eq!(
            listed(Some(Type::InetService), false, &ports),
            "\t\telements = { 1, 2, 3, 4, 5,\n\t\t\t     6, 7 }\n"
        );
        assert_eq!(listed(Some(Type::InetService), false, &[]), "");
    }

    #[test]
    fn maps_concatenations_and_elements_of_several_words_take_a_line_each() {
        let two = [("a", false), ("b", false)];
        let apart = "\t\telements = { a,\n\t\t\t     b }\n";
        assert_eq!(listed(Some(Type::Mark), true, &two), apart);
        assert_eq!(listed(None, false, &two), apart);
        assert_eq!(listed(Some(Type::Ipv4Addr), false, &[("a", true), ("b", false)]), apart);
        assert_eq!(listed(Some(Type::Ipv4Addr), false, &two), "\t\telements = { a, b }\n");
    }
}
