//! From a word to a value of a type (`symbol_parse` of nft).

use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use super::{Names, Type, find_value, symbols};

/// A value of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// A number, whatever its byte order in registers.
    Number(u128),
    /// Characters as they lie in memory, without their end.
    Text(Vec<u8>),
}

impl Datum {
    /// The number; `None` for characters.
    pub fn number(&self) -> Option<u128> {
        match self {
            Datum::Number(number) => Some(*number),
            Datum::Text(_) => None,
        }
    }
}

/// Why a word is no value of a type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SymbolError {
    /// It is none of the type's words and no number.
    #[error("Could not parse {0}")]
    NotOne(&'static str),
    /// It is none of the type's words, but one is near.
    #[error("Could not parse {what}; did you mean `{near}'?")]
    Near {
        /// The type.
        what: &'static str,
        /// The word meant.
        near: &'static str,
    },
    /// A host that the resolver does not know, in its words.
    #[error("Could not resolve hostname: {0}")]
    Unresolved(String),
    /// A host with several addresses.
    #[error("Hostname resolves to multiple addresses")]
    ManyAddresses,
    /// No address, and no resolver to ask.
    #[error("Could not resolve hostname: Name or service not known")]
    Host,
    /// No service.
    #[error("Could not resolve service: Servname not supported for ai_socktype")]
    Service,
    /// No protocol.
    #[error("Could not resolve protocol name")]
    Protocol,
    /// No interface.
    #[error("Interface does not exist")]
    Interface,
    /// No user.
    #[error("User does not exist")]
    User,
    /// No group.
    #[error("Group does not exist")]
    Group,
    /// A port above 65535.
    #[error("Service out of range")]
    ServiceRange,
    /// A protocol above 255.
    #[error("Protocol out of range")]
    ProtocolRange,
    /// No control group.
    #[error("cgroupv2 path fails: No such file or directory")]
    Cgroup,
    /// No time.
    #[error("Error parsing time")]
    Time,
    /// A label above 127.
    #[error("Could not parse conntrack label: only 128 bits supported")]
    Label,
    /// The type has no words at all.
    #[error("Can't parse symbolic {0} expressions")]
    NoSymbols(&'static str),
}

/// A number as nft reads it: decimal, hexadecimal after `0x`, octal after `0`.
pub fn parse_number(text: &str) -> Option<u128> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return digits(hex, 16);
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => digits(octal, 8).or_else(|| digits(text, 10)),
        _ => digits(text, 10),
    }
}

fn digits(text: &str, radix: u32) -> Option<u128> {
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u128::from_str_radix(text, radix).ok()
}

/// The value that a word stands for in a type.
///
/// # Errors
/// Where it is neither a word nor a number of that type. Whether a number fits the width is not checked.
pub fn parse_symbol(t: Type, text: &str, names: &Names) -> Result<Datum, SymbolError> {
    let number = || parse_number(text);
    let from_table = |table: &super::names::NameTable| table.number(text).map(u128::from).or_else(number);
    let not_one = SymbolError::NotOne(t.description());
    let value = match t {
        Type::String | Type::Ifname => return Ok(Datum::Text(text.as_bytes().to_vec())),
        Type::Ipv4Addr => match text.parse::<Ipv4Addr>() {
            Ok(address) => u128::from(address.to_bits()),
            // As inet_aton(3): one number is the whole address
            Err(_) => number()
                .filter(|n| *n <= u128::from(u32::MAX))
                .map_or_else(|| names.hosts.address(t, text), Ok)?,
        },
        Type::Ipv6Addr => match text.parse::<Ipv6Addr>() {
            Ok(address) => address.to_bits(),
            Err(_) => names.hosts.address(t, text)?,
        },
        // As nft does, fewer groups are the last ones; a number is one by the digits that it is listed with
        Type::LlAddr | Type::EtherAddr => {
            let listed = number().map(|number| number.to_string());
            match parse_lladdr(listed.as_deref().unwrap_or(text)) {
                Some((value, groups)) if groups <= 6 || t == Type::LlAddr => value,
                _ => return Err(not_one),
            }
        }
        Type::InetProto => {
            let value = from_table(&names.protocols).ok_or(SymbolError::Protocol)?;
            if value > 255 {
                return Err(SymbolError::ProtocolRange);
            }
            value
        }
        Type::InetService => {
            let value = from_table(&names.services).ok_or(SymbolError::Service)?;
            if value > 65535 {
                return Err(SymbolError::ServiceRange);
            }
            value
        }
        Type::Mark => from_table(&names.marks).ok_or(not_one)?,
        Type::Realm => from_table(&names.realms).ok_or(not_one)?,
        Type::Devgroup => from_table(&names.devgroups).ok_or(not_one)?,
        Type::IfaceIndex => from_table(&names.interfaces).ok_or(SymbolError::Interface)?,
        Type::Uid => from_table(&names.users).ok_or(SymbolError::User)?,
        Type::Gid => from_table(&names.groups).ok_or(SymbolError::Group)?,
        Type::Cgroupv2 => from_table(&names.cgroups).ok_or(SymbolError::Cgroup)?,
        Type::CtLabel => {
            let bit = from_table(&names.labels).ok_or(not_one)?;
            if bit > 127 {
                return Err(SymbolError::Label);
            }
            1 << bit
        }
        Type::Classid => parse_classid(text).or_else(number).ok_or(not_one)?,
        Type::Time => parse_duration(text).ok_or(SymbolError::Time)?,
        Type::Date => parse_date(text, names).ok_or(SymbolError::Time)?,
        Type::Hour => parse_hour(text, names).ok_or(SymbolError::Time)?,
        Type::Day => parse_day(text).ok_or(not_one)?,
        Type::Integer | Type::HexInteger | Type::Bitmask => {
            number().ok_or(SymbolError::NoSymbols(t.description()))?
        }
        _ => match find_value(t, text) {
            Some(value) => u128::from(value),
            None => number().ok_or_else(|| unknown_word(t, text))?,
        },
    };
    Ok(Datum::Number(value))
}

fn unknown_word(t: Type, text: &str) -> SymbolError {
    let what = t.description();
    symbols(t)
        .iter()
        .map(|(name, _)| (distance(name, text), *name))
        .min()
        .filter(|(distance, name)| *distance <= name.len() / 2)
        .map_or(SymbolError::NotOne(what), |(_, near)| SymbolError::Near { what, near })
}

/// How many characters must be changed, added or left out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn parse_lladdr(text: &str) -> Option<(u128, usize)> {
    let mut value = 0u128;
    let mut count = 0;
    for part in text.split(':') {
        if part.is_empty() || part.len() > 2 || count == 16 {
            return None;
        }
        value = (value << 8) | digits(part, 16)?;
        count += 1;
    }
    (count > 0).then_some((value, count))
}

/// `none`, `root`, `major:minor`, `:minor`, `major:`, all hexadecimal.
fn parse_classid(text: &str) -> Option<u128> {
    match text {
        "none" => return Some(0),
        "root" => return Some(0xffff_ffff),
        _ => {}
    }
    let (major, minor) = text.split_once(':')?;
    let part = |text: &str| if text.is_empty() { Some(0) } else { digits(text, 16).filter(|n| *n <= 0xffff) };
    Some((part(major)? << 16) | part(minor)?)
}

/// Milliseconds of `1d2h3m4s5ms` or of a number of seconds.
pub(crate) fn parse_duration(text: &str) -> Option<u128> {
    if let Some(seconds) = parse_number(text) {
        return seconds.checked_mul(1000);
    }
    let mut rest = text;
    let mut total = 0u128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u128 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let (unit, len) = match rest.as_bytes() {
            [b'm', b's', ..] => (1, 2),
            [b'w', ..] => (604_800_000, 1),
            [b'd', ..] => (86_400_000, 1),
            [b'h', ..] => (3_600_000, 1),
            [b'm', ..] => (60_000, 1),
            [b's', ..] => (1_000, 1),
            _ => return None,
        };
        rest = &rest[len..];
        total = total.checked_add(count.checked_mul(unit)?)?;
    }
    (!text.is_empty() && total <= u128::from(u64::MAX)).then_some(total)
}

/// Nanoseconds since 1970 of `YYYY-MM-DD[ HH:MM[:SS]]` in local time, or of a number of seconds.
fn parse_date(text: &str, names: &Names) -> Option<u128> {
    if let Some(seconds) = parse_number(text) {
        return seconds.checked_mul(1_000_000_000);
    }
    let (date, clock) = text.split_once(' ').map_or((text, None), |(date, clock)| (date, Some(clock)));
    let mut parts = date.splitn(3, '-').map(|part| digits(part, 10).and_then(|n| i64::try_from(n).ok()));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86400 + clock.map_or(Some(0), clock_seconds)?
        - i64::from(names.utc_offset);
    Some(u128::try_from(seconds).ok()? * 1_000_000_000)
}

/// Seconds since midnight UTC of `HH:MM[:SS]` in local time, or of a number of seconds.
fn parse_hour(text: &str, names: &Names) -> Option<u128> {
    if let Some(seconds) = parse_number(text) {
        return Some(seconds);
    }
    let seconds = clock_seconds(text)? - i64::from(names.utc_offset);
    // A leap second is the last moment of the day
    u128::try_from(if (0..=86400).contains(&seconds) { seconds } else { seconds.rem_euclid(86400) }).ok()
}

/// Seconds since midnight of `HH:MM[:SS]`.
pub(crate) fn clock_seconds(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| digits(part, 10).and_then(|n| i64::try_from(n).ok()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(hour * 3600 + minute * 60 + second)
}

fn parse_day(text: &str) -> Option<u128> {
    if let Some(number) = parse_number(text) {
        return (number <= 6).then_some(number);
    }
    let given = text.to_ascii_lowercase();
    symbols(Type::Day)
        .iter()
        .find(|(name, _)| given.len() >= 3 && name.to_ascii_lowercase().starts_with(&given))
        .map(|(_, day)| u128::from(*day))
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(t: Type, text: &str) -> Option<u128> {
        parse_symbol(t, text, &Names::default()).ok()?.number()
    }

    #[test]
    fn words_become_numbers() {
        for (t, text, expected) in [
            (Type::Ipv4Addr, "192.0.2.1", 0xc000_0201),
            (Type::EtherAddr, "00:0f:54:0c:11:04", 0x000f_540c_1104),
            (Type::InetService, "ssh", 22),
            (Type::InetProto, "tcp", 6),
            (Type::IcmpType, "echo-request", 8),
            (Type::Classid, "bcad:dadc", 0xbcad_dadc),
            (Type::Time, "1h2m3s4ms", 3_723_004),
            (Type::Mark, "0x10", 16),
            (Type::Integer, "010", 8),
        ] {
            assert_eq!(number(t, text), Some(expected), "{text}");
        }
        assert_eq!(number(Type::EtherAddr, "00:0f:54"), Some(0x0f54), "nft 1.0.6 lists 00:00:00:00:0f:54");
        assert_eq!(number(Type::EtherAddr, "0x10"), Some(0x16), "nft 1.0.6 lists 00:00:00:00:00:16");
        assert_eq!(number(Type::EtherAddr, "00:0f:54:00:00:00:00"), None);
        assert_eq!(number(Type::InetService, "65536"), None);
    }

    #[test]
    fn dates_are_local() {
        let names = Names { utc_offset: 7200, ..Names::default() };
        // date -u -d '2019-06-21 15:00:00' +%s
        assert_eq!(
            parse_symbol(Type::Date, "2019-06-21 17:00:00", &names),
            Ok(Datum::Number(1_561_129_200_000_000_000))
        );
        assert_eq!(parse_symbol(Type::Hour, "00:00", &names), Ok(Datum::Number(79200)));
    }

    #[test]
    fn a_near_word_is_proposed() {
        let error = parse_symbol(Type::CtState, "establishd", &Names::default());
        assert_eq!(error, Err(SymbolError::Near { what: "conntrack state", near: "established" }));
    }
}
