//! Names of connection labels.

use ironweir_netlink::ctnetlink::Labels;

use super::error::Usage;

/// Names of bits, from `connlabel.conf`.
#[derive(Clone, Debug, Default)]
pub struct LabelMap {
    /// Sorted by bit.
    names: Vec<(u16, Box<str>)>,
}

/// Where the names are.
const FILES: [&str; 2] = ["/etc/xtables/connlabel.conf", "/etc/connlabel.conf"];

impl LabelMap {
    /// Of this machine; the first file that is there.
    pub fn load() -> std::io::Result<LabelMap> {
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for file in FILES {
            match std::fs::read_to_string(file) {
                Ok(text) => return Ok(LabelMap::of(&text)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Of a file's text: a bit and a name on each line; `#` begins a comment. Of two names for a bit the first counts.
    pub fn of(text: &str) -> LabelMap {
        let mut names: Vec<(u16, Box<str>)> = Vec::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let bit = words.next().filter(|word| !word.starts_with('#')).and_then(|word| word.parse().ok());
            if let (Some(bit), Some(name)) = (bit, words.next())
                && !names.iter().any(|(known, _)| *known == bit)
            {
                names.push((bit, name.into()));
            }
        }
        names.sort_by_key(|(bit, _)| *bit);
        LabelMap { names }
    }

    /// The bits of a list of names.
    pub fn bits(&self, list: &str) -> Result<Labels, Usage> {
        let mut labels = Labels::empty(0);
        for word in list.split(',') {
            let bit = self.names.iter().find(|(_, name)| **name == *word).map(|(bit, _)| *bit);
            match bit {
                Some(bit) if labels.insert(bit) => {}
                _ => return Err(Usage::UnknownLabel(word.to_owned())),
            }
        }
        Ok(labels)
    }

    /// The names of the bits that are set, in order; bits without a name are passed over.
    pub fn names<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter(|(bit, _)| labels.contains(*bit)).map(|(_, name)| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let map = LabelMap::of("# comment\n1 one\n64\tfar\n1 again\nnonsense\n");
        let labels = map.bits("far,one").unwrap();
        assert_eq!(map.names(&labels).collect::<Vec<_>>(), ["one", "far"]);
        assert_eq!(map.bits("two").unwrap_err(), Usage::UnknownLabel("two".to_owned()));
    }
}
