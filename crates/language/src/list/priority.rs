//! Priorities by name: `filter`, `dstnat + 10`.

use ironweir_ruleset::{Family, Hook, Priority};

use crate::decl::priority::named;

/// A priority as nft lists it: the nearest name and the distance, if that is at most 10; else the number.
pub fn priority_text(family: Family, hook: Hook, priority: Priority, numeric: bool) -> String {
    let number = priority.0;
    if !numeric {
        for (name, base) in named(family, hook) {
            match number.checked_sub(base) {
                Some(0) => return name.into(),
                Some(distance @ 1..=10) => return format!("{name} + {distance}"),
                Some(distance @ -10..=-1) => return format!("{name} - {}", -distance),
                _ => {}
            }
        }
    }
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_a_name_the_distance_is_told() {
        for (family, hook, number, expected) in [
            (Family::Ip, Hook::Input, 0, "filter"),
            (Family::Ip, Hook::Input, 10, "filter + 10"),
            (Family::Ip, Hook::Input, 11, "11"),
            (Family::Ip, Hook::Input, -10, "filter - 10"),
            (Family::Inet, Hook::Prerouting, -100, "dstnat"),
            (Family::Inet, Hook::Input, -100, "-100"),
            (Family::Ip6, Hook::Postrouting, 110, "srcnat + 10"),
            (Family::Bridge, Hook::Forward, -200, "filter"),
            (Family::Bridge, Hook::Output, 100, "out"),
            (Family::Bridge, Hook::Prerouting, -300, "dstnat"),
            (Family::Netdev, Hook::Ingress, -300, "-300"),
            (Family::Ip, Hook::Input, i32::MIN, "-2147483648"),
        ] {
            assert_eq!(priority_text(family, hook, Priority(number), false), expected);
        }
        assert_eq!(priority_text(Family::Ip, Hook::Input, Priority(0), true), "0");
    }
}
