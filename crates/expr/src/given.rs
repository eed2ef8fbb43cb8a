//! What the files of expressions read their attributes with.

use ironweir_netlink::{Attribute, Attributes, DecodeError, Writer};

use crate::{Data, Expr, Register, Value, netlink};

/// Why the attributes of an expression are not read as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer is at fault.
    Malformed(DecodeError),
    /// The peer knows what we do not.
    Newer,
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Fault {
        Fault::Malformed(error)
    }
}

/// The attributes of an expression, each at its type. Of several of a type the last one counts (`nla_parse`).
#[derive(Debug)]
pub(crate) struct Given<'a> {
    by_kind: [Option<Attribute<'a>>; Given::KINDS],
    all: Attributes<'a>,
    depth: u8,
}

impl<'a> Given<'a> {
    /// One more than the highest type of any expression (`NFTA_DYNSET_EXPRESSIONS`, 10).
    const KINDS: usize = 11;

    pub(crate) fn new(attributes: Attributes<'a>, depth: u8) -> Result<Given<'a>, DecodeError> {
        let mut given = Given { by_kind: [None; Given::KINDS], all: attributes.clone(), depth };
        for attribute in attributes {
            let attribute = attribute?;
            if let Some(slot) = given.by_kind.get_mut(usize::from(attribute.kind)) {
                *slot = Some(attribute);
            }
        }
        Ok(given)
    }

    /// The attributes above a type, as they came.
    pub(crate) fn newer(&self, highest: u16) -> Option<Box<[u8]>> {
        let mut newer = Vec::new();
        let mut rest = self.all.clone();
        loop {
            let before = rest.as_bytes();
            let Some(Ok(attribute)) = rest.next() else { break };
            if attribute.kind > highest || attribute.kind == 0 {
                let len = before.len() - rest.as_bytes().len();
                newer.extend_from_slice(before.get(..len).unwrap_or_default());
                newer.resize(ironweir_netlink::align(newer.len()), 0);
            }
        }
        (!newer.is_empty()).then(|| newer.into())
    }

    /// The attribute of a type, if it is there.
    pub(crate) fn get(&self, kind: u16) -> Option<&Attribute<'a>> {
        self.by_kind.get(usize::from(kind))?.as_ref()
    }

    /// Whether there is an attribute of a type.
    pub(crate) fn has(&self, kind: u16) -> bool {
        self.get(kind).is_some()
    }

    /// Refuses an attribute that this form of the expression has not.
    pub(crate) fn refuse(&self, kind: u16) -> Result<(), Fault> {
        self.get(kind).map_or(Ok(()), |attribute| Err(attribute.bad_value().into()))
    }

    /// An attribute that must be there.
    pub(crate) fn need(&self, kind: u16) -> Result<&Attribute<'a>, Fault> {
        self.get(kind).ok_or_else(|| self.all.missing(kind).into())
    }

    /// What an attribute says, if it is there.
    pub(crate) fn option<T>(
        &self,
        kind: u16,
        read: impl FnOnce(&Attribute<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        self.get(kind).map(read).transpose()
    }

    /// A number that must be there.
    pub(crate) fn u32(&self, kind: u16) -> Result<u32, Fault> {
        Ok(self.need(kind)?.u32_be()?)
    }

    /// A number, 0 where it is not given.
    pub(crate) fn u32_or_0(&self, kind: u16) -> Result<u32, Fault> {
        Ok(self.option(kind, Attribute::u32_be)?.unwrap_or(0))
    }

    /// A number that must be there and stands for something; numbers that we know nothing of are a newer peer's.
    pub(crate) fn known<T>(&self, kind: u16, of: impl FnOnce(u32) -> Option<T>) -> Result<T, Fault> {
        of(self.u32(kind)?).ok_or(Fault::Newer)
    }

    /// One of an enumeration that counts from 0.
    pub(crate) fn one_of<T: Copy>(&self, kind: u16, all: &[T]) -> Result<T, Fault> {
        self.known(kind, |number| all.get(number as usize).copied())
    }

    /// Flags, none where they are not given; flags beyond `known` are a newer peer's.
    pub(crate) fn flags(&self, kind: u16, known: u32) -> Result<u32, Fault> {
        match self.u32_or_0(kind)? {
            flags if flags & !known == 0 => Ok(flags),
            _ => Err(Fault::Newer),
        }
    }

    /// A register that must be there.
    pub(crate) fn register(&self, kind: u16) -> Result<Register, Fault> {
        register(self.need(kind)?)
    }

    /// A register, if it is given.
    pub(crate) fn register_option(&self, kind: u16) -> Result<Option<Register>, Fault> {
        self.get(kind).map(register).transpose()
    }

    /// First and last register of a range, if it is given. The kernel tells the first one as the last, too, where the
    /// range has but one.
    pub(crate) fn range(&self, first: u16, last: u16) -> Result<Option<(Register, Option<Register>)>, Fault> {
        let Some(min) = self.register_option(first)? else { return Ok(None) };
        let max = self.register_option(last)?;
        Ok(Some((min, max.filter(|max| *max != min))))
    }

    /// A string that must be there. One that is not UTF-8 is kept as a newer peer's expression.
    pub(crate) fn string(&self, kind: u16) -> Result<Box<str>, Fault> {
        Ok(self.need(kind)?.str().map_err(|_| Fault::Newer)?.into())
    }

    /// Bytes for a register, that must be there.
    pub(crate) fn value(&self, kind: u16) -> Result<Value, Fault> {
        match self.data(kind)? {
            Data::Value(value) => Ok(value),
            Data::Verdict(_) => Err(self.need(kind)?.bad_value().into()),
        }
    }

    /// Bytes or a verdict, that must be there.
    pub(crate) fn data(&self, kind: u16) -> Result<Data, Fault> {
        Data::decode(self.need(kind)?).map_err(|error| match error {
            // A verdict with what we know nothing of in its upper half.
            DecodeError::Value { .. } => Fault::Newer,
            error => error.into(),
        })
    }

    /// An expression that must be there.
    pub(crate) fn expr(&self, kind: u16) -> Result<Expr, Fault> {
        Ok(netlink::decode(self.need(kind)?.nested(), self.depth + 1)?)
    }

    /// A list of expressions, empty where it is not given.
    pub(crate) fn exprs(&self, kind: u16) -> Result<Vec<Expr>, Fault> {
        match self.get(kind) {
            Some(list) => Ok(netlink::decode_list(list, self.depth + 1)?),
            None => Ok(Vec::new()),
        }
    }
}

fn register(attribute: &Attribute<'_>) -> Result<Register, Fault> {
    Ok(Register::from_number(attribute.u32_be()?).ok_or_else(|| attribute.bad_value())?)
}

/// Puts a register.
pub(crate) fn put_register(writer: &mut Writer<'_>, kind: u16, register: Register) {
    writer.put_u32_be(kind, register.number());
}

/// Puts first and last register of a range.
pub(crate) fn put_range(
    writer: &mut Writer<'_>,
    [first, last]: [u16; 2],
    range: Option<(Register, Option<Register>)>,
) {
    let Some((min, max)) = range else { return };
    put_register(writer, first, min);
    max.iter().for_each(|max| put_register(writer, last, *max));
}

/// Puts flags, where there are any.
pub(crate) fn put_flags(writer: &mut Writer<'_>, kind: u16, flags: u32) {
    if flags != 0 {
        writer.put_u32_be(kind, flags);
    }
}
