//! Messages and attributes, written behind each other into one buffer.

use crate::attribute::NESTED;
use crate::{Attributes, EncodeError, Flags, GenMsg, Header, align};

/// Appends attributes to a message.
///
/// Putting never fails at once: the first thing that cannot be written is kept, and [`message`] tells it at the end. So
/// encoders need not ask after every attribute.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
    error: Option<EncodeError>,
}

/// Appends an nfnetlink message (type with subsystem, flags, sequence number, `nfgenmsg`) with the attributes that
/// `attributes` puts. The sender's port is 0: the kernel fills it in.
///
/// # Errors
/// If it cannot be said; then the buffer is as it was.
pub fn message(
    buffer: &mut Vec<u8>,
    kind: u16,
    flags: Flags,
    seq: u32,
    genmsg: GenMsg,
    attributes: impl FnOnce(&mut Writer<'_>),
) -> Result<(), EncodeError> {
    answer(buffer, Header { len: 0, kind, flags, seq, port: 0 }, genmsg, attributes)
}

/// Appends an nfnetlink message with this header, whose length is filled in: what a server sends names the port of the
/// client.
///
/// # Errors
/// As [`message`].
pub fn answer(
    buffer: &mut Vec<u8>,
    header: Header,
    genmsg: GenMsg,
    attributes: impl FnOnce(&mut Writer<'_>),
) -> Result<(), EncodeError> {
    let start = buffer.len();
    buffer.extend_from_slice(&header.encode());
    buffer.extend_from_slice(&genmsg.encode());
    let mut writer = Writer::new(buffer);
    attributes(&mut writer);
    let mut error = writer.error;
    let len = buffer.len() - start;
    match u32::try_from(len) {
        Ok(len) => buffer[start..start + 4].copy_from_slice(&len.to_ne_bytes()),
        Err(_) => error = Some(EncodeError::MessageTooLong { len }),
    }
    error.inspect(|_| buffer.truncate(start)).map_or(Ok(()), Err)
}

impl<'a> Writer<'a> {
    /// At the end of a buffer, whose length is a multiple of 4.
    pub fn new(buffer: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { buffer, error: None }
    }

    /// A value; on the wire a multiple of 4 bytes.
    pub fn put(&mut self, kind: u16, value: &[u8]) {
        let len = Attributes::HEADER + value.len();
        let Ok(short) = u16::try_from(len) else {
            return self.fail(EncodeError::AttributeTooLong { kind, len });
        };
        self.buffer.reserve(align(len));
        self.buffer.extend_from_slice(&short.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.buffer.extend_from_slice(value);
        self.buffer.resize(self.buffer.len() + align(len) - len, 0);
    }

    /// A byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    /// 2 bytes in network order.
    pub fn put_u16_be(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    /// 4 bytes in network order.
    pub fn put_u32_be(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// 8 bytes in network order.
    pub fn put_u64_be(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// 2 bytes in host order.
    pub fn put_u16_host(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// 4 bytes in host order.
    pub fn put_u32_host(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// A string with the zero byte behind it (`NLA_NUL_STRING`).
    pub fn put_str(&mut self, kind: u16, value: &str) {
        let start = self.begin(kind);
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(0);
        self.end(start, kind);
    }

    /// An attribute that holds those that `attributes` puts (`NLA_F_NESTED`).
    pub fn nest(&mut self, kind: u16, attributes: impl FnOnce(&mut Writer<'_>)) {
        let start = self.begin_nest(kind);
        attributes(self);
        self.end_nest(start);
    }

    /// Begins a nest that [`Writer::end_nest`] ends, where a closure does not fit. Returns where it begins.
    pub fn begin_nest(&mut self, kind: u16) -> usize {
        self.begin(kind | NESTED)
    }

    /// Ends a nest that began there: the value that [`Writer::begin_nest`] gave. Nests end in the reverse order.
    pub fn end_nest(&mut self, start: usize) {
        let kind = self
            .buffer
            .get(start + 2..)
            .and_then(|kind| kind.first_chunk())
            .copied()
            .map_or(0, u16::from_ne_bytes);
        self.end(start, kind & !NESTED);
    }

    /// Takes back everything since [`Writer::begin_nest`] gave this.
    pub fn cancel_nest(&mut self, start: usize) {
        self.buffer.truncate(start);
    }

    /// Attributes that are encoded already, headers and padding included, as far as they are [whole](Attributes::whole):
    /// with padding the rest would be taken for one more.
    pub fn put_raw(&mut self, attributes: &[u8]) {
        self.buffer.extend_from_slice(Attributes::new(attributes).whole());
        self.buffer.resize(align(self.buffer.len()), 0);
    }

    /// Bytes in the buffer so far.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Keeps the first thing that cannot be written.
    pub fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// The first thing that could not be written, if any.
    pub fn finish(self) -> Result<(), EncodeError> {
        self.error.map_or(Ok(()), Err)
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0, 0]);
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize, kind: u16) {
        let len = self.buffer.len() - start;
        match u16::try_from(len) {
            Ok(len) => self.buffer[start..start + 2].copy_from_slice(&len.to_ne_bytes()),
            Err(_) => self.fail(EncodeError::AttributeTooLong { kind, len }),
        }
        self.buffer.resize(start + align(len), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nest_has_its_mark_its_length_and_padding() {
        let mut buffer = Vec::new();
        Writer::new(&mut buffer).nest(3, |w| {
            w.put_str(1, "lo");
            w.put_u32_be(2, 256);
        });
        let expected = [
            &20u16.to_ne_bytes()[..],
            &0x8003u16.to_ne_bytes(),
            &7u16.to_ne_bytes(),
            &1u16.to_ne_bytes(),
            b"lo\0\0",
            &8u16.to_ne_bytes(),
            &2u16.to_ne_bytes(),
            &[0, 0, 1, 0],
        ];
        assert_eq!(buffer, expected.concat());
    }

    #[test]
    fn bytes_behind_the_last_encoded_attribute_are_left_out() {
        // Found by fuzzing: padded, one byte was a header that is cut off.
        let mut buffer = Vec::new();
        Writer::new(&mut buffer).put_raw(&[1]);
        assert!(buffer.is_empty());
        let attribute = [&5u16.to_ne_bytes()[..], &2u16.to_ne_bytes(), &[7]].concat();
        Writer::new(&mut buffer).put_raw(&attribute);
        assert_eq!(buffer, [&attribute[..], &[0; 3]].concat());
        buffer.clear();
        Writer::new(&mut buffer).put_raw(&[&attribute[..], &[0; 3], &[9, 9]].concat());
        assert_eq!(buffer, [&attribute[..], &[0; 3]].concat());
    }

    #[test]
    fn what_is_too_long_is_an_error_and_leaves_nothing_behind() {
        let mut buffer = vec![1, 2, 3, 4];
        let long = "a".repeat(65_536);
        let put = |buffer: &mut Vec<u8>, text: &str| {
            message(buffer, 1, Flags::empty(), 0, GenMsg::of(0), |w| w.nest(7, |w| w.put_str(9, text)))
        };
        assert_eq!(put(&mut buffer, &long), Err(EncodeError::AttributeTooLong { kind: 9, len: 65_541 }));
        // 65,535 bytes with header are the most that an attribute can have; the nest around it has four more.
        assert_eq!(
            put(&mut buffer, &long[..65_530]),
            Err(EncodeError::AttributeTooLong { kind: 7, len: 65_540 })
        );
        assert_eq!(put(&mut buffer, &long[..65_520]), Ok(()));
        buffer.truncate(4);
        assert_eq!(buffer, [1, 2, 3, 4]);
    }
}
