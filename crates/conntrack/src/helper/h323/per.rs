//! ASN.1 in aligned packed encoding (ITU-T X.691), as far as H.323 needs it: a table of types says what lies where, and reading
//! notes where the addresses are.
//!
//! Nothing in the packet decides how deep the reading goes: that is how deep the tables are. Each item of a list takes a bit
//! at least, so the work is bounded by the packet's length.
//!
//! What is refused is what `nf_conntrack_h323_asn1.c` refuses, but for three of its errors.
//!
//! DIVERGES: of extensions it does not know, the kernel takes those to be there that are not; it stops within a Setup at
//! endpointIdentifier and reads on as if that were its end; and behind a time to live it skips as many bytes again.

use ironweir_wire::L3;

use super::Field;

/// A type of ASN.1, by what it takes of the message.
#[derive(Debug)]
pub(super) enum Type {
    /// NULL.
    Null,
    /// BOOLEAN.
    Bool,
    /// INTEGER of at most 255 values: so many bits.
    Bits(u32),
    /// INTEGER of 256 values: a byte.
    Byte,
    /// INTEGER of 257 to 65,536 values: two bytes.
    Word,
    /// INTEGER of more values: two bits say how many bytes, less one.
    Long,
    /// The same counted from 1; its value is noted.
    LongNoted(Field),
    /// INTEGER without bounds, OCTET STRING and what else has a length before it.
    Counted,
    /// BIT STRING, its length in bits before it.
    CountedBits,
    /// BIT STRING, its length of 16 bits before it.
    LongBits,
    /// OBJECT IDENTIFIER.
    Oid,
    /// A string of digits, half a byte each; so many bits of length, counted from 1.
    Digits(u32),
    /// OCTET STRING of this size.
    Octets(usize),
    /// OCTET STRING; so many bits of length, counted from the second number.
    OctetsUpTo(u32, usize),
    /// OCTET STRING of 1 to 256 bytes.
    Octets256,
    /// BMPString of 1 to 128 characters.
    Characters128,
    /// BMPString of 1 to 256 characters.
    Characters256,
    /// SEQUENCE.
    Sequence(&'static Sequence),
    /// SEQUENCE OF; in the first so many places are noted.
    List(&'static Type, usize),
    /// SEQUENCE OF what has its length before it.
    OpenList(&'static Type, usize),
    /// CHOICE.
    Choice(&'static Choice),
    /// An address and a port: OCTET STRING of the address's size, INTEGER (0..65535).
    Place(L3),
    /// Places in it are noted as this.
    As(Field, &'static Type),
    /// Noted, and read.
    Begin(Field, &'static Type),
    /// NULL that is noted.
    Note(Field),
    /// Read, but nothing in it is noted.
    Unnoted(&'static Type),
    /// What has a length before it and is passed over.
    Open,
    /// What follows is of no interest.
    Stop,
}

/// A component of a SEQUENCE.
#[derive(Debug)]
pub(super) struct Component {
    optional: bool,
    holds: Type,
}

/// A component that is always there.
pub(super) const fn must(holds: Type) -> Component {
    Component { optional: false, holds }
}

/// An OPTIONAL component.
pub(super) const fn may(holds: Type) -> Component {
    Component { optional: true, holds }
}

/// A SEQUENCE.
#[derive(Debug)]
pub(super) struct Sequence {
    /// Whether it ends with `...`.
    pub(super) extensible: bool,
    /// What stands before the `...`.
    pub(super) root: &'static [Component],
    /// What stands behind, as far as it is of interest; the rest is passed over.
    pub(super) added: &'static [Type],
    /// Behind the last of `added`, nothing is of interest.
    pub(super) ends: bool,
}

/// A CHOICE.
#[derive(Debug)]
pub(super) struct Choice {
    /// Whether it ends with `...`.
    pub(super) extensible: bool,
    /// What stands before the `...`.
    pub(super) root: &'static [Type],
    /// What stands behind, as far as it is of interest.
    pub(super) added: &'static [Type],
}

/// What was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// As what.
    pub(super) field: Field,
    /// Of a place, where it begins, in bytes; of [`Type::LongNoted`], the value.
    pub(super) at: usize,
    /// Of a place, its protocol.
    pub(super) l3: L3,
    /// The number of the item of the innermost list.
    pub(super) item: usize,
}

/// Reading cannot go on, or need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The message ends too early, or does not follow the tables.
    Malformed,
    /// The rest is of no interest.
    Stop,
}

type Read<T = ()> = Result<T, Halt>;

/// The most that is noted of a message: 30 channels of 6 and four messages of H.245 are the most that a message says.
const MOST_FOUND: usize = 256;

/// Reads a message from byte `at` on. Gives what was noted, in the order of the message; `None` if it is malformed.
pub(super) fn read(bytes: &[u8], at: usize, as_a: &Type) -> Option<Vec<Found>> {
    let mut reader = Reader { bytes, at, bit: 0, found: Vec::new(), noting: true, item: 0 };
    match reader.read(as_a, None) {
        Ok(()) | Err(Halt::Stop) => Some(reader.found),
        Err(Halt::Malformed) => None,
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    /// The byte that is read, and how many of its bits were.
    at: usize,
    bit: u32,
    found: Vec<Found>,
    noting: bool,
    item: usize,
}

impl Reader<'_> {
    fn read(&mut self, what: &Type, field: Option<Field>) -> Read {
        match *what {
            Type::Null => {}
            Type::Bool => self.skip_bits(1)?,
            Type::Bits(bits) => self.skip_bits(bits)?,
            Type::Byte => {
                self.align();
                self.skip(1)?;
            }
            Type::Word => {
                self.align();
                self.skip(2)?;
            }
            Type::Long => drop(self.long()?),
            Type::LongNoted(field) => {
                let value = self.long()?.wrapping_add(1);
                self.note(field, value as usize, L3::Other);
            }
            Type::Counted => {
                self.align();
                let len = self.length()?;
                self.skip(len)?;
            }
            Type::CountedBits => {
                self.align();
                let bits = self.length()?;
                self.skip_string_of_bits(bits)?;
            }
            Type::LongBits => {
                self.align();
                self.need(2, 0)?;
                let bits = self.octet() << 8 | self.octet();
                self.skip_string_of_bits(bits)?;
            }
            Type::Oid => {
                self.align();
                self.need(1, 0)?;
                let len = self.octet();
                self.skip(len)?;
            }
            Type::Digits(bits) => {
                let len = self.bits(bits)? + 1;
                self.align();
                self.skip_bits(len * 4)?;
            }
            Type::Octets(len) => {
                if len > 2 {
                    self.align();
                }
                self.skip(len)?;
            }
            Type::OctetsUpTo(bits, least) => {
                let len = self.bits(bits)? as usize + least;
                self.align();
                self.skip(len)?;
            }
            Type::Octets256 => {
                self.align();
                self.need(1, 0)?;
                let len = self.octet() + 1;
                self.skip(len)?;
            }
            Type::Characters128 => {
                let len = self.bits(7)? as usize + 1;
                self.align();
                self.skip(2 * len)?;
            }
            Type::Characters256 => {
                self.align();
                self.need(1, 0)?;
                let len = self.octet() + 1;
                self.skip(2 * len)?;
            }
            Type::Sequence(sequence) => self.sequence(sequence, field)?,
            Type::List(of, most) => self.list(of, most, field, false)?,
            Type::OpenList(of, most) => self.list(of, most, field, true)?,
            Type::Choice(choice) => self.choice(choice, field)?,
            Type::Place(l3) => {
                self.align();
                let at = self.at;
                self.skip(l3.address_len())?;
                self.skip(2)?;
                if let Some(field) = field {
                    self.note(field, at, l3);
                }
            }
            Type::As(field, inner) => self.read(inner, Some(field))?,
            Type::Begin(field, inner) => {
                self.note(field, self.at, L3::Other);
                self.read(inner, None)?;
            }
            Type::Note(field) => self.note(field, self.at, L3::Other),
            Type::Unnoted(inner) => {
                let noting = std::mem::replace(&mut self.noting, false);
                let read = self.read(inner, None);
                self.noting = noting;
                read?;
            }
            Type::Open => self.open(what, None)?,
            Type::Stop => return Err(Halt::Stop),
        }
        Ok(())
    }

    fn sequence(&mut self, sequence: &Sequence, field: Option<Field>) -> Read {
        self.need(0, 1)?;
        let extended = sequence.extensible && self.bits(1)? == 1;
        let optional = sequence.root.iter().filter(|component| component.optional).count();
        let mut there = self.bitmap(optional)?;
        for component in sequence.root {
            if matches!(component.holds, Type::Stop) {
                return Err(Halt::Stop);
            }
            if component.optional {
                let is_there = there & 1 << 63 != 0;
                there <<= 1;
                if !is_there {
                    continue;
                }
            }
            self.read(&component.holds, field)?;
        }
        if !extended {
            return Ok(());
        }
        let count = self.bits(7)? as usize + 1;
        if count > 32 {
            return Err(Halt::Malformed);
        }
        let there = self.bitmap(count)?;
        self.align();
        for index in 0..count {
            let added = sequence.added.get(index);
            if added.is_none() && sequence.ends {
                return Err(Halt::Stop);
            }
            if there & 1 << (63 - index) != 0 {
                self.open(added.unwrap_or(&Type::Open), field)?;
            }
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Choice, field: Option<Field>) -> Read {
        self.need(0, 1)?;
        if choice.extensible && self.bits(1)? == 1 {
            let index = self.bits(7)? as usize;
            return self.open(choice.added.get(index).unwrap_or(&Type::Open), field);
        }
        let bits = usize::BITS - choice.root.len().saturating_sub(1).leading_zeros();
        let index = self.bits(bits)? as usize;
        let chosen = choice.root.get(index).ok_or(Halt::Malformed)?;
        self.read(chosen, field)
    }

    fn list(&mut self, of: &Type, most: usize, field: Option<Field>, open: bool) -> Read {
        self.align();
        let count = self.length()?;
        let (noting, item) = (self.noting, self.item);
        for index in 0..count {
            self.noting = noting && index < most;
            self.item = index;
            if open { self.open(of, field)? } else { self.read(of, field)? }
        }
        (self.noting, self.item) = (noting, item);
        Ok(())
    }

    /// What has its length before it.
    fn open(&mut self, what: &Type, field: Option<Field>) -> Read {
        self.align();
        let len = self.length()?;
        self.need(len, 0)?;
        let behind = self.at + len;
        if !matches!(what, Type::Open) {
            let noting = self.noting;
            match self.read(what, field) {
                Ok(()) | Err(Halt::Stop) => self.noting = noting,
                Err(Halt::Malformed) => return Err(Halt::Malformed),
            }
        }
        (self.at, self.bit) = (behind, 0);
        Ok(())
    }

    /// A length of one or two bytes, at a whole byte.
    fn length(&mut self) -> Read<usize> {
        // Two are asked for whatever the length (`get_len`): nothing that counts is shorter.
        self.need(2, 0)?;
        let first = self.octet();
        Ok(if first & 0x80 == 0 { first } else { (first & 0x3f) << 8 | self.octet() })
    }

    /// Two bits of length, and as many bytes and one.
    fn long(&mut self) -> Read<u32> {
        let len = self.bits(2)? as usize + 1;
        self.need(len, 0)?;
        self.align();
        let value = (0..len).fold(0, |value, _| value << 8 | self.octet() as u32);
        self.need(0, 0)?;
        Ok(value)
    }

    fn skip_string_of_bits(&mut self, bits: usize) -> Read {
        self.at += bits / 8;
        self.bit = (bits % 8) as u32;
        self.need(0, 0)
    }

    fn note(&mut self, field: Field, at: usize, l3: L3) {
        if self.noting && self.found.len() < MOST_FOUND {
            self.found.push(Found { field, at, l3, item: self.item });
        }
    }

    /// The byte at hand; 0 behind the end, where it is the caller's to have asked.
    fn octet(&mut self) -> usize {
        let octet = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(octet)
    }

    /// At most 16 bits.
    fn bits(&mut self, count: u32) -> Read<u32> {
        Ok(if count == 0 { 0 } else { (self.bitmap(count as usize)? >> (64 - count)) as u32 })
    }

    /// At most 32 bits, from the highest of 64 on.
    fn bitmap(&mut self, count: usize) -> Read<u64> {
        let count = count.min(32) as u32;
        self.need(0, count)?;
        let mut map = 0u64;
        for index in 0..count {
            let octet = self.bytes.get(self.at).copied().unwrap_or(0);
            if octet & 0x80 >> self.bit != 0 {
                map |= 1 << (63 - index);
            }
            self.step(1);
        }
        Ok(map)
    }

    fn skip(&mut self, bytes: usize) -> Read {
        self.at = self.at.saturating_add(bytes);
        self.need(0, 0)
    }

    fn skip_bits(&mut self, bits: u32) -> Read {
        self.step(bits);
        self.need(0, 0)
    }

    fn step(&mut self, bits: u32) {
        self.bit += bits;
        self.at += (self.bit >> 3) as usize;
        self.bit &= 7;
    }

    fn align(&mut self) {
        if self.bit > 0 {
            self.at += 1;
            self.bit = 0;
        }
    }

    /// So many bytes and bits are left.
    fn need(&self, bytes: usize, bits: u32) -> Read {
        let whole = bytes + (self.bit + bits).div_ceil(8) as usize;
        match self.at.checked_add(whole) {
            Some(end) if end <= self.bytes.len() => Ok(()),
            _ => Err(Halt::Malformed),
        }
    }
}
