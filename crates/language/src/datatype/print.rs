//! From a value of a type to the word that listing prints (`datatype_print` of nft).

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Datum, Names, Type, find_name};

/// How values are printed: the options of nft(8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintOptions {
    /// `-n`: everything as numbers.
    pub numeric: bool,
    /// `-S`: ports by their service's name.
    pub service: bool,
    /// `-N`: addresses by name.
    pub reversedns: bool,
    /// `-u`: users and groups by name.
    pub guid: bool,
    /// `-p`: protocols as numbers.
    pub numeric_protocol: bool,
    /// `-T`: times as numbers.
    pub numeric_time: bool,
    /// `-y`: priorities as numbers.
    pub numeric_priority: bool,
    /// `-j`: numbers are numbers, whatever text makes of them.
    pub json: bool,
}

/// A value as listing prints it. `bits` is the width of the value where the type has none of its own; `hex` asks for
/// hexadecimal numbers where the type says nothing (`xinteger`).
pub fn print_datum(
    t: Type,
    datum: &Datum,
    bits: u32,
    hex: bool,
    names: &Names,
    options: &PrintOptions,
) -> String {
    match datum {
        Datum::Text(bytes) => {
            // A name that ends in an asterisk is no pattern.
            let text = String::from_utf8_lossy(bytes);
            match text.strip_suffix('*') {
                Some(head) if t == Type::Ifname => format!("\"{head}\\*\""),
                _ => format!("\"{text}\""),
            }
        }
        Datum::Number(value) => print_number(t, *value, bits, hex, names, options),
    }
}

fn print_number(t: Type, value: u128, bits: u32, hex: bool, names: &Names, options: &PrintOptions) -> String {
    let narrow = u64::try_from(value).ok();
    let quoted = |name: &str| format!("\"{name}\"");
    if options.reversedns
        && let Some(name) = names.hosts.name(t, value)
    {
        return name;
    }
    let word = match t {
        Type::Ipv4Addr if value <= u128::from(u32::MAX) => {
            return Ipv4Addr::from_bits(value as u32).to_string();
        }
        Type::Ipv6Addr => return print_ipv6(value),
        Type::LlAddr | Type::EtherAddr => return print_lladdr(value, if bits == 0 { 48 } else { bits }),
        // Their meaning depends on the type of the message, so that nft lists numbers.
        Type::IcmpCode | Type::Icmpv6Code => None,
        Type::Classid => return print_classid(value),
        Type::Time if options.numeric_time => return (value / 1000).to_string(),
        Type::Time => return print_time(value),
        Type::Date if options.numeric_time => return value.to_string(),
        Type::Date => return print_date(value, names),
        Type::Hour if options.numeric_time => return value.to_string(),
        Type::Hour => return print_hour(value, names),
        Type::InetProto if options.numeric_protocol => None,
        Type::InetProto => narrow.and_then(|n| names.protocols.name(n)).map(str::to_owned),
        Type::InetService if !options.service => None,
        Type::InetService => narrow.and_then(|n| names.services.name(n)).map(quoted),
        Type::Mark => narrow.and_then(|n| names.marks.name(n)).map(str::to_owned),
        Type::Realm => narrow.and_then(|n| names.realms.name(n)).map(quoted),
        Type::Devgroup => narrow.and_then(|n| names.devgroups.name(n)).map(quoted),
        // Also with -n: a number says nothing to whoever reads it later.
        Type::IfaceIndex => match narrow.and_then(|n| names.interfaces.name(n)) {
            Some(name) => return quoted(name),
            None => None,
        },
        Type::Uid if options.guid => narrow.and_then(|n| names.users.name(n)).map(quoted),
        Type::Gid if options.guid => narrow.and_then(|n| names.groups.name(n)).map(quoted),
        Type::Cgroupv2 => narrow.and_then(|n| names.cgroups.name(n)).map(quoted),
        Type::CtLabel if value.count_ones() == 1 => {
            let bit = u64::from(value.trailing_zeros());
            return names.labels.name(bit).map_or_else(|| bit.to_string(), quoted);
        }
        Type::Day => narrow.and_then(|n| find_name(t, n)).map(quoted),
        _ => narrow.and_then(|n| find_name(t, n)).map(str::to_owned),
    };
    // What -S and -u ask for is told with -n as well.
    let asked_for = matches!(t, Type::InetService | Type::Uid | Type::Gid);
    if let Some(word) = word
        && (asked_for || !options.numeric)
    {
        return word;
    }
    match hex_digits(t) {
        Some(digits) => format!("0x{value:0digits$x}"),
        None if hex || t == Type::HexInteger => format!("0x{value:x}"),
        None => value.to_string(),
    }
}

/// How many hexadecimal digits a type's numbers have; `None` where they are decimal.
fn hex_digits(t: Type) -> Option<usize> {
    match t {
        Type::EtherType => Some(4),
        Type::Ecn => Some(1),
        Type::Dscp | Type::TcpFlag => Some(2),
        Type::Mark | Type::CtState | Type::CtStatus | Type::CtEvent => Some(8),
        _ => None,
    }
}

/// As glibc's `inet_ntop` does, which also writes IPv4-compatible addresses with dots.
fn print_ipv6(value: u128) -> String {
    if value >> 32 == 0 && value >> 16 != 0 {
        return format!("::{}", Ipv4Addr::from_bits(value as u32));
    }
    Ipv6Addr::from_bits(value).to_string()
}

fn print_lladdr(value: u128, bits: u32) -> String {
    let len = (bits.div_ceil(8) as usize).clamp(1, 16);
    let bytes = value.to_be_bytes();
    let parts: Vec<String> = bytes[16 - len..].iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

fn print_classid(value: u128) -> String {
    let (major, minor) = (value >> 16, value & 0xffff);
    match value {
        0xffff_ffff => "root".into(),
        0 => "none".into(),
        _ => format!("{major:x}:{minor:x}"),
    }
}

/// Milliseconds as nft prints times: `1d2h3m4s5ms`, leaving out what is zero.
pub fn print_time(milliseconds: u128) -> String {
    let mut text = String::new();
    let mut rest = milliseconds;
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")] {
        if rest >= unit {
            // Writing to a String cannot fail
            let _ = write!(text, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

fn print_date(nanoseconds: u128, names: &Names) -> String {
    let Ok(seconds) = i64::try_from(nanoseconds / 1_000_000_000) else { return nanoseconds.to_string() };
    let seconds = seconds + i64::from(names.utc_offset);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86400));
    let clock = seconds.rem_euclid(86400);
    format!("\"{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}\"", clock / 3600, clock / 60 % 60, clock % 60)
}

fn print_hour(seconds: u128, names: &Names) -> String {
    let clock = (seconds % 86400) as i64 + i64::from(names.utc_offset);
    let clock = clock.rem_euclid(86400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    if second == 0 {
        format!("\"{hour:02}:{minute:02}\"")
    } else {
        format!("\"{hour:02}:{minute:02}:{second:02}\"")
    }
}

/// Year, month, day of a day since 1970-01-01 (Howard Hinnant, `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(t: Type, value: u128) -> String {
        let names = Names { utc_offset: 7200, ..Names::default() };
        print_datum(t, &Datum::Number(value), t.bits(), false, &names, &PrintOptions::default())
    }

    #[test]
    fn values_are_spelt_as_nft_does() {
        for (t, value, expected) in [
            (Type::Ipv4Addr, 0xc000_0201, "192.0.2.1"),
            (Type::Ipv6Addr, 1, "::1"),
            (Type::Ipv6Addr, 0x0102_0304, "::1.2.3.4"),
            (Type::EtherAddr, 0x0f_540c_1104, "00:0f:54:0c:11:04"),
            (Type::Mark, 10, "0x0000000a"),
            (Type::InetService, 22, "22"),
            (Type::Dscp, 6, "0x06"),
            (Type::Dscp, 8, "cs1"),
            (Type::Time, 3_723_004, "1h2m3s4ms"),
            (Type::Date, 12_341_234_000_000_000, "\"1970-05-23 22:07:14\""),
            (Type::Hour, 86_399 - 7199, "\"00:00\""),
            (Type::Classid, 0xbcad_dadc, "bcad:dadc"),
            (Type::IfaceIndex, 1, "\"lo\""),
        ] {
            assert_eq!(printed(t, value), expected);
        }
    }
}
