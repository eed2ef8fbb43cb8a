//! IPv4 options (RFC 791 §3.1) as a router reads and writes them: `__ip_options_compile`, `ip_forward_options`,
//! `__ip_options_echo` of `net/ipv4/ip_options.c`.
//!
//! ```text
//!  7 record route: kind, length, pointer, addresses       131, 137 source routes: the same
//!  68 timestamp: kind, length, pointer, overflow 4 flag 4, [address,] time ...       148 router alert
//! ```

use crate::ipv4;

/// The end of the list.
const END: u8 = 0;
/// Padding.
const NOOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const CIPSO: u8 = 134;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;
/// Flags of a timestamp: times alone, each behind an address, behind addresses that the sender chose.
const WITH_ADDRESS: u8 = 1;
const CHOSEN: u8 = 3;

/// What a router knows that it may have to write.
pub trait Router {
    /// The address it would answer the sender from (`fib_compute_spec_dst`).
    fn towards_sender(&self) -> [u8; 4];
    /// Whether an address is some other single station's (`inet_addr_type` is `RTN_UNICAST`).
    fn is_other_station(&self, address: [u8; 4]) -> bool;
    /// Milliseconds since midnight UTC (`inet_current_timestamp`).
    fn time(&self) -> u32;
}

/// What the options of a packet ask for (`struct ip_options`). Offsets count from the begin of the IPv4 header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// There is a source route.
    pub source_route: bool,
    record: Option<usize>,
    record_address: bool,
    timestamp: Option<usize>,
    stamp_address: bool,
    stamp_time: bool,
    changed: bool,
}

/// An option is wrong: at this offset from the begin of the header, the pointer of an ICMP "parameter problem".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an IPv4 option is wrong at byte {0} of the header")]
pub struct WrongOption(pub u8);

/// Reads the options of a header, and writes what is written at once: times, and into record routes the address towards
/// the sender, which [`Compiled::forward`] replaces. The header's checksum is left as it was, as the kernel leaves it.
///
/// What is known when an option is wrong is given, too: an error about it brings the options before it back.
pub fn compile(header: &mut [u8], router: &impl Router) -> (Compiled, Result<(), WrongOption>) {
    let mut compiled = Compiled::default();
    let sound = compiled.read(header, router);
    (compiled, sound)
}

impl Compiled {
    fn read(&mut self, header: &mut [u8], router: &impl Router) -> Result<(), WrongOption> {
        let end = header.len();
        let mut at = ipv4::HEADER_LEN;
        let wrong = |at: usize| WrongOption(at.min(255) as u8);
        while let Some(kind) = header.get(at).copied() {
            match kind {
                END => {
                    let padding = header.get_mut(at..).unwrap_or_default();
                    self.changed |= padding.iter().any(|byte| *byte != END);
                    padding.fill(END);
                    return Ok(());
                }
                NOOP => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let len = header.get(at + 1).map(|len| usize::from(*len)).ok_or(wrong(at))?;
            let option = header.get_mut(at..).and_then(|rest| rest.get_mut(..len)).ok_or(wrong(at))?;
            if len < 2 {
                return Err(wrong(at));
            }
            match kind {
                LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => {
                    check_pointer(option, 3, 4).map_err(|off| wrong(at + off))?;
                    if std::mem::replace(&mut self.source_route, true) {
                        return Err(wrong(at));
                    }
                }
                RECORD_ROUTE => {
                    if self.record.is_some() {
                        return Err(wrong(at));
                    }
                    check_pointer(option, 3, 4).map_err(|off| wrong(at + off))?;
                    self.record_route(option, router).map_err(|off| wrong(at + off))?;
                    self.record = Some(at);
                }
                TIMESTAMP => {
                    if self.timestamp.is_some() {
                        return Err(wrong(at));
                    }
                    check_pointer(option, 4, 5).map_err(|off| wrong(at + off))?;
                    self.stamp(option, router).map_err(|off| wrong(at + off))?;
                    self.timestamp = Some(at);
                }
                ROUTER_ALERT if len < 4 => return Err(wrong(at + 1)),
                // DIVERGES: labels of CIPSO are not checked.
                CIPSO => {}
                _ => {}
            }
            at += len;
            if at > end {
                return Err(wrong(at));
            }
        }
        Ok(())
    }
}

/// The least length of an option and the least value of its pointer; else where it is wrong.
fn check_pointer(option: &[u8], len: usize, pointer: u8) -> Result<(), usize> {
    if option.len() < len {
        return Err(1);
    }
    match option.get(2) {
        Some(at) if *at >= pointer => Ok(()),
        _ => Err(2),
    }
}

/// Writes at a place that an option's pointer names, which counts from 1.
fn put(option: &mut [u8], pointer: usize, bytes: [u8; 4]) {
    if let Some(place) = option.get_mut(pointer.wrapping_sub(1)..pointer.saturating_add(3)) {
        place.copy_from_slice(&bytes);
    }
}

impl Compiled {
    fn record_route(&mut self, option: &mut [u8], router: &impl Router) -> Result<(), usize> {
        let [_, len, pointer, ..] = *option else { return Err(1) };
        if pointer > len {
            return Ok(());
        }
        if usize::from(pointer) + 3 > usize::from(len) {
            return Err(2);
        }
        put(option, pointer.into(), router.towards_sender());
        self.changed = true;
        set(option, 2, pointer + 4);
        self.record_address = true;
        Ok(())
    }

    fn stamp(&mut self, option: &mut [u8], router: &impl Router) -> Result<(), usize> {
        let [_, len, pointer, flags, ..] = *option else { return Err(1) };
        let at = usize::from(pointer);
        if pointer > len {
            // Nowhere left to write: those who could not are counted.
            if flags & 15 != CHOSEN {
                if flags >> 4 == 15 {
                    return Err(3);
                }
                set(option, 3, flags + 0x10);
                self.changed = true;
            }
            return Ok(());
        }
        if at + 3 > usize::from(len) {
            return Err(2);
        }
        let is_short = at + 7 > usize::from(len);
        let time_at = match flags & 15 {
            0 => {
                set(option, 2, pointer.saturating_add(4));
                at
            }
            WITH_ADDRESS | CHOSEN if is_short => return Err(2),
            WITH_ADDRESS => {
                put(option, at, router.towards_sender());
                self.stamp_address = true;
                set(option, 2, pointer.saturating_add(8));
                at + 4
            }
            CHOSEN => {
                let named = option.get(at - 1..at + 3).and_then(|bytes| bytes.try_into().ok());
                if named.is_none_or(|named| router.is_other_station(named)) {
                    return Ok(());
                }
                set(option, 2, pointer.saturating_add(8));
                at + 4
            }
            _ => return Ok(()),
        };
        self.stamp_time = true;
        put(option, time_at, router.time().to_be_bytes());
        self.changed = true;
        Ok(())
    }

    /// Writes what a router writes that passes the packet on: its address on the way out, into record routes
    /// (`ip_forward_options`; into timestamps of source routed packets alone). True if the header's checksum must be made anew.
    pub fn forward(&mut self, header: &mut [u8], out: [u8; 4]) -> bool {
        let record = self.record.filter(|_| self.record_address).and_then(|at| header.get_mut(at..));
        if let Some(option) = record
            && let Some(pointer @ 1..) = option.get(2).and_then(|at| usize::from(*at).checked_sub(4))
        {
            put(option, pointer, out);
            self.changed = true;
        }
        std::mem::take(&mut self.changed)
    }

    /// The options of an ICMP error about the packet: its record route and timestamp, gone on by one (`__ip_options_echo`,
    /// `ip_options_build`). `source` is the error's. `None` if there can be no answer.
    pub fn echo(&self, header: &[u8], source: [u8; 4], router: &impl Router) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let option = |at: Option<usize>| {
            let rest = header.get(at?..)?;
            rest.get(..usize::from(*rest.get(1)?)).map(<[u8]>::to_vec)
        };
        if let Some(mut record) = option(self.record) {
            let [_, len, pointer, ..] = record[..] else { return None };
            if self.record_address && pointer <= len {
                if usize::from(pointer) + 3 > usize::from(len) {
                    return None;
                }
                set(&mut record, 2, pointer.saturating_add(4));
                put(&mut record, pointer.into(), source);
            }
            out.extend(record);
        }
        if let Some(mut stamp) = option(self.timestamp) {
            self.echo_stamp(&mut stamp, source, router)?;
            out.extend(stamp);
        }
        out.resize(out.len().next_multiple_of(4), END);
        Some(out)
    }

    fn echo_stamp(&self, stamp: &mut [u8], source: [u8; 4], router: &impl Router) -> Option<()> {
        let [_, len, pointer, flags, ..] = *stamp else { return None };
        let (mut at, len) = (usize::from(pointer), usize::from(len));
        if at > len {
            return Some(());
        }
        if self.stamp_address {
            if at + 3 > len {
                return None;
            }
            put(stamp, at, source);
            at += 4;
        }
        if self.stamp_time {
            if at + 3 > len {
                return None;
            }
            let time = router.time().to_be_bytes();
            if flags & 15 != CHOSEN {
                put(stamp, at, time);
                at += 4;
            } else if at + 7 <= len {
                let named = stamp.get(at.wrapping_sub(1)..at + 3).and_then(|bytes| bytes.try_into().ok());
                if named.is_some_and(|named| !router.is_other_station(named)) {
                    put(stamp, at + 4, time);
                    at += 8;
                }
            }
        }
        set(stamp, 2, at.min(255) as u8);
        Some(())
    }
}

fn set(option: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = option.get_mut(at) {
        *byte = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At;

    impl Router for At {
        fn towards_sender(&self) -> [u8; 4] {
            [10, 0, 0, 1]
        }
        fn is_other_station(&self, address: [u8; 4]) -> bool {
            address != [10, 0, 0, 1]
        }
        fn time(&self) -> u32 {
            0x01020304
        }
    }

    fn header(options: &[u8]) -> Vec<u8> {
        let mut header = vec![0x45; ipv4::HEADER_LEN];
        header.extend(options);
        header
    }

    fn compiled(options: &[u8]) -> Result<(Compiled, Vec<u8>), WrongOption> {
        let mut header = header(options);
        let (compiled, sound) = compile(&mut header, &At);
        sound?;
        Ok((compiled, header.split_off(ipv4::HEADER_LEN)))
    }

    /// RFC 791 page 20: the pointer moves on by four.
    #[test]
    fn a_record_route_gets_the_address_on_the_way_out() {
        let (mut found, options) = compiled(&[7, 7, 4, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(options, [7, 7, 8, 10, 0, 0, 1, 0]);
        let mut whole = header(&options);
        assert!(found.forward(&mut whole, [192, 0, 2, 1]));
        assert_eq!(whole[20..], [7, 7, 8, 192, 0, 2, 1, 0]);
    }

    #[test]
    fn a_full_record_route_passes_and_a_full_timestamp_counts() {
        let (mut found, options) = compiled(&[7, 7, 8, 1, 1, 1, 1, 0]).unwrap();
        assert_eq!(options, [7, 7, 8, 1, 1, 1, 1, 0]);
        assert!(!found.forward(&mut header(&options), [9; 4]));
        assert_eq!(compiled(&[68, 8, 9, 0x10, 1, 1, 1, 1]).unwrap().1, [68, 8, 9, 0x20, 1, 1, 1, 1]);
        assert_eq!(compiled(&[68, 8, 9, 0xf0, 1, 1, 1, 1]).unwrap_err(), WrongOption(23));
    }

    #[test]
    fn timestamps_are_written_where_the_flag_says() {
        assert_eq!(compiled(&[68, 8, 5, 0, 0, 0, 0, 0]).unwrap().1, [68, 8, 9, 0, 1, 2, 3, 4]);
        let (mut found, options) = compiled(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(options, [68, 12, 13, 1, 10, 0, 0, 1, 1, 2, 3, 4]);
        let mut whole = header(&options);
        assert!(found.forward(&mut whole, [192, 0, 2, 1]));
        assert_eq!(whole[20..], [68, 12, 13, 1, 10, 0, 0, 1, 1, 2, 3, 4]);
        // Another's turn.
        let chosen = [68, 12, 5, 3, 8, 8, 8, 8, 0, 0, 0, 0];
        assert_eq!(compiled(&chosen).unwrap().1, chosen);
        let own = [68, 12, 5, 3, 10, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(compiled(&own).unwrap().1, [68, 12, 13, 3, 10, 0, 0, 1, 1, 2, 3, 4]);
    }

    /// The pointers are those of `__ip_options_compile`.
    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (options, pointer) in [
            (&[7, 1, 0, 0][..], 20),
            (&[7, 9, 4, 0], 20),
            (&[1, 1, 1, 7], 23),
            (&[7, 3, 3, 0], 22),
            (&[131, 2, 0, 0], 21),
            (&[7, 7, 5, 0, 0, 0, 0, 0], 22),
            (&[7, 3, 4, 7, 3, 4, 0, 0], 23),
            (&[148, 3, 0, 0], 21),
            (&[68, 4, 4, 0], 22),
            (&[68, 8, 5, 1, 0, 0, 0, 0], 22),
        ] {
            assert_eq!(compiled(options).unwrap_err(), WrongOption(pointer), "{options:?}");
        }
        assert!(compiled(&[131, 7, 4, 1, 2, 3, 4, 0]).unwrap().0.source_route);
        assert_eq!(compiled(&[148, 4, 0, 0]).unwrap().1, [148, 4, 0, 0]);
    }

    #[test]
    fn bytes_behind_the_end_are_cleared() {
        let (mut found, options) = compiled(&[1, 0, 7, 7]).unwrap();
        assert_eq!(options, [1, 0, 0, 0]);
        assert!(found.forward(&mut header(&options), [0; 4]));
    }

    #[test]
    fn errors_bring_the_record_route_back_with_one_more_address() {
        let mut whole = header(&[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let (found, sound) = compile(&mut whole, &At);
        assert_eq!(sound, Ok(()));
        assert_eq!(found.echo(&whole, [10, 0, 0, 1], &At).unwrap(), [7, 11, 12, 10, 0, 0, 1, 10, 0, 0, 1, 0]);
        assert_eq!(
            compiled(&[148, 4, 0, 0]).unwrap().0.echo(&header(&[148, 4, 0, 0]), [1; 4], &At),
            Some(vec![])
        );
    }

    /// A full timestamp, then an option without a length (`icmp_send` reads what `__ip_options_compile` had written).
    #[test]
    fn an_error_about_a_wrong_option_brings_back_those_before_it() {
        let mut whole = header(&[68, 4, 5, 3, 10, 0, 1, 1]);
        let (found, sound) = compile(&mut whole, &At);
        assert_eq!(sound, Err(WrongOption(24)));
        assert_eq!(found.echo(&whole, [10, 0, 0, 1], &At).unwrap(), [68, 4, 5, 3]);
    }
}
