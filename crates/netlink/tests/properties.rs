//! What is written comes back, and bytes that nobody wrote never panic.

use ironweir_netlink::{
    Ack, Attributes, DecodeError, Done, Flags, GenMsg, Header, Message, Messages, Writer, message,
};
use proptest::prelude::*;

/// An attribute as a tree.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(u16, Vec<u8>),
    Nest(u16, Vec<Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let kind = 0u16..0x4000;
    let leaf = (kind.clone(), prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(kind, value)| Tree::Leaf(kind, value));
    leaf.prop_recursive(4, 40, 6, move |inner| {
        (kind.clone(), prop::collection::vec(inner, 0..6)).prop_map(|(kind, trees)| Tree::Nest(kind, trees))
    })
}

fn put(writer: &mut Writer<'_>, tree: &Tree) {
    match tree {
        Tree::Leaf(kind, value) => writer.put(*kind, value),
        Tree::Nest(kind, trees) => {
            writer.nest(*kind, |writer| trees.iter().for_each(|tree| put(writer, tree)))
        }
    }
}

fn read(attributes: Attributes<'_>) -> Result<Vec<Tree>, DecodeError> {
    attributes
        .map(|attribute| {
            let attribute = attribute?;
            Ok(match attribute.nested {
                true => Tree::Nest(attribute.kind, read(attribute.nested())?),
                false => Tree::Leaf(attribute.kind, attribute.value.to_vec()),
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn attributes_come_back_as_they_were_put(
        trees in prop::collection::vec(prop::collection::vec(tree(), 0..5), 1..4), kind: u16, flags: u16, family: u8,
    ) {
        let mut buffer = Vec::new();
        for (seq, trees) in (0u32..).zip(&trees) {
            let genmsg = GenMsg { family, version: 1, res_id: 0x1234 };
            message(&mut buffer, kind, Flags(flags), seq, genmsg, |w| trees.iter().for_each(|tree| put(w, tree))).unwrap();
        }
        let messages: Vec<Message<'_>> = Messages::new(&buffer).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(messages.len(), trees.len());
        for ((seq, message), trees) in (0u32..).zip(messages).zip(&trees) {
            let len = message.header.len;
            prop_assert_eq!(message.header, Header { len, kind, flags: Flags(flags), seq, port: 0 });
            let (genmsg, attributes) = message.nfgen().unwrap();
            prop_assert_eq!(genmsg, GenMsg { family, version: 1, res_id: 0x1234 });
            // Every attribute's offset is where its header lies in the message.
            for attribute in attributes.clone().flatten() {
                let at = message.offset + attribute.offset;
                prop_assert_eq!(&buffer[at + 4..at + 4 + attribute.value.len()], attribute.value);
            }
            prop_assert_eq!(&read(attributes).unwrap(), trees);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0u32..220) {
        let _ = read(Attributes::new(&bytes));
        let framed = [&Header { len, kind: 2, flags: Flags(0x300), seq: 0, port: 0 }.encode(), &bytes[..]].concat();
        for datagram in [&bytes, &framed] {
            for message in Messages::new(datagram).flatten() {
                let _ = Ack::decode(&message);
                let _ = Done::decode(&message);
                if let Ok((_, attributes)) = message.nfgen() {
                    let _ = read(attributes);
                }
            }
        }
    }
}
