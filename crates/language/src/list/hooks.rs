//! `list hooks`: what the kernel calls at each hook, in order.

use std::fmt::Write as _;

use ironweir_ruleset::netlink::Hooked;
use ironweir_ruleset::{Family, Hook};

/// The hooks of a family that are asked for. Chains of inet hang at those of ip and ip6; ingress and egress are of devices.
pub(crate) fn hooks_of(family: Option<Family>, device: bool) -> Vec<(Family, Vec<Hook>)> {
    use Hook::{Egress, Forward, Ingress, Input, Output, Postrouting, Prerouting};
    let inner = vec![Prerouting, Input, Forward, Output, Postrouting];
    let of = |family: Family| -> Vec<(Family, Vec<Hook>)> {
        match family {
            Family::Ip | Family::Ip6 | Family::Bridge => vec![(family, inner.clone())],
            Family::Inet if device => {
                vec![(Family::Inet, vec![Ingress]), (Family::Ip, inner.clone()), (Family::Ip6, inner.clone())]
            }
            Family::Inet => vec![(Family::Ip, inner.clone()), (Family::Ip6, inner.clone())],
            Family::Arp => vec![(family, vec![Input, Output])],
            Family::Netdev if device => vec![(family, vec![Ingress, Egress])],
            Family::Netdev => Vec::new(),
        }
    };
    match family {
        Some(family) => of(family),
        None => [Family::Ip, Family::Ip6, Family::Arp, Family::Bridge, Family::Netdev]
            .into_iter()
            .flat_map(of)
            .collect(),
    }
}

/// A family's hooks with what hangs there, as nft prints them. Hooks at which nothing hangs are left out.
pub(crate) fn print(family: Family, device: Option<&str>, hooks: &[(Hook, Vec<Hooked>)], out: &mut String) {
    let mut filled = hooks.iter().filter(|(_, hooked)| !hooked.is_empty()).peekable();
    if filled.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "family {family} {{");
    for (hook, hooked) in filled {
        let of = match (hook, device) {
            (Hook::Ingress | Hook::Egress, Some(device)) => format!(" device {device}"),
            _ => String::new(),
        };
        let _ = writeln!(out, "\thook {hook}{of} {{");
        hooked.iter().for_each(|one| line(one, out));
        out.push_str("\t}\n");
    }
    out.push_str("}\n");
}

fn line(hooked: &Hooked, out: &mut String) {
    let sign = match hooked.priority {
        ..0 => '-',
        0 => ' ',
        1.. => '+',
    };
    let _ = write!(out, "\t\t{sign}{:010}", hooked.priority.unsigned_abs());
    match (&hooked.chain, &hooked.function) {
        (Some((table, name)), _) => {
            let _ = write!(out, " chain {table} {name}");
        }
        (None, Some(function)) => {
            let _ = write!(out, " {function}");
        }
        (None, None) => {}
    }
    if let Some(module) = &hooked.module {
        let _ = write!(out, " [{module}]");
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironweir_ruleset::TableId;

    /// The form of nft(8), "list hooks".
    #[test]
    fn hooks_are_listed_with_priority_chain_and_module() {
        let function = |priority, name: &str, module: &str| Hooked {
            priority,
            function: Some(name.into()),
            module: Some(module.into()),
            chain: None,
        };
        let chain = Some((TableId::new(Family::Inet, "t"), "c".into()));
        let hooks = [
            (Hook::Prerouting, vec![]),
            (
                Hook::Input,
                vec![
                    function(-200, "ipv4_conntrack_in", "nf_conntrack"),
                    Hooked { chain, ..function(0, "nft_do_chain_inet", "nf_tables") },
                    function(i32::MAX, "nf_confirm", "nf_conntrack"),
                ],
            ),
        ];
        let mut out = String::new();
        print(Family::Ip, None, &hooks, &mut out);
        assert_eq!(
            out,
            "family ip {\n\thook input {\n\t\t-0000000200 ipv4_conntrack_in [nf_conntrack]\n\
             \t\t 0000000000 chain inet t c [nf_tables]\n\t\t+2147483647 nf_confirm [nf_conntrack]\n\t}\n}\n"
        );
    }
}
