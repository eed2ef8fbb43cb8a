//! Packets rewritten by NAT have right checksums: what tshark finds bad afterwards was bad before.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outside;

const UNCHANGED: &str =
    "table inet t {\n\tchain c {\n\t\ttype filter hook forward priority 0; policy accept;\n\t}\n}\n";

/// Both ends of every connection translated, with and without ports, by address and by prefix.
const TRANSLATED: &str = "\
table ip four {
	chain before {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 80 dnat to 198.51.100.80:8080
		udp dport 53 dnat to 198.51.100.53
		ip daddr 10.0.0.0/8 dnat to 198.18.0.0/24
	}
	chain after {
		type nat hook postrouting priority srcnat; policy accept;
		meta l4proto { tcp, udp } snat to 203.0.113.1-203.0.113.8:2000-60000
		snat to 203.0.113.9
	}
}
table ip6 six {
	chain before {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 80 dnat to [2001:db8::80]:8080
	}
	chain after {
		type nat hook postrouting priority srcnat; policy accept;
		snat to 2001:db8::1
	}
}
";

/// Captures whose packets' checksums are over other addresses than those of the IPv6 header: the home address of a
/// destination option, or the last of a routing header (RFC 8200, section 8.1; RFC 6275, section 6.3). NAT changes
/// the header's addresses and corrects by their difference, in the kernel as here, and neither looks for others.
const OTHER_ADDRESSES: [&str; 4] = [
    "checksum-zeek-chksums-ip6-hoa-tcp-good-chksum.pcap",
    "checksum-zeek-chksums-ip6-route0-tcp-good-chksum.pcap",
    "ipv6-ext-zeek-ipv6-mobility-dst-opts.pcap",
    "ipv6-ext-zeek-mobile-ipv6-ipv6-mobile-hoa.pcap",
];

const FIELDS: [&str; 5] = ["ip", "tcp", "udp", "icmp", "icmpv6"];

/// Per packet, keyed by its time and how many of this time came before: which checksums are bad.
fn bad(capture: &Path) -> HashMap<(String, usize), [bool; FIELDS.len()]> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-r"]).arg(capture);
    for protocol in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    command.args(["-T", "fields", "-e", "frame.time_epoch"]);
    for protocol in FIELDS {
        command.args(["-e", &format!("{protocol}.checksum.status")]);
    }
    let output = command.output().expect("tshark runs");
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = HashMap::new();
    for line in outside::answer(&output).lines() {
        let mut cells = line.split('\t');
        let time = cells.next().unwrap_or_default().to_owned();
        let nth = seen.entry(time.clone()).or_default();
        let mut bad = [false; FIELDS.len()];
        for (flag, cell) in bad.iter_mut().zip(cells) {
            // 0 is bad, 1 good, 2 unverified; an ICMP error shows the quoted headers' too.
            *flag = cell.split(',').any(|status| status == "0");
        }
        found.insert((time, *nth), bad);
        *nth += 1;
    }
    found
}

#[test]
fn no_checksum_is_bad_after_nat_that_was_good_before() {
    let Some(captures) = outside::captures() else { return };
    if outside::program("tshark").is_none() {
        return;
    }
    let scratch = outside::scratch("nat_checksums");
    for (name, rules) in [("unchanged.nft", UNCHANGED), ("translated.nft", TRANSLATED)] {
        std::fs::write(scratch.join(name), rules).expect("scratch can be written");
    }
    let results = outside::for_all(&captures, |capture: &PathBuf| {
        let name = outside::short(capture).replace('/', "-");
        let out = |rules: &str| {
            let file = scratch.join(format!("{name}-{rules}.pcapng"));
            let arguments: [&OsStr; 8] = [
                scratch.join(rules).into_os_string().leak(),
                capture.as_os_str(),
                "--iif".as_ref(),
                "in0".as_ref(),
                "--oif".as_ref(),
                "out0".as_ref(),
                "--out".as_ref(),
                file.as_os_str(),
            ];
            outside::report(&arguments).map(|_| file.clone())
        };
        match (out("unchanged.nft"), out("translated.nft")) {
            (Ok(before), Ok(after)) => {
                let (was, is) = (bad(&before), bad(&after));
                let compared = is.keys().filter(|key| was.contains_key(*key)).count();
                let worse: Vec<String> = is
                    .iter()
                    .filter(|_| !OTHER_ADDRESSES.contains(&name.as_str()))
                    .filter_map(|(key, now)| {
                        let then = was.get(key)?;
                        let worse =
                            FIELDS.iter().zip(now.iter().zip(then)).find(|(_, (n, t))| **n && !**t)?;
                        Some(format!("{name}: {} of the packet at {}", worse.0, key.0))
                    })
                    .collect();
                let _ = (std::fs::remove_file(before), std::fs::remove_file(after));
                Ok((compared, worse))
            }
            (before, after) => Err(format!("{name}: {:?} {:?}", before.err(), after.err())),
        }
    });
    let mut compared = 0;
    let mut worse = Vec::new();
    for result in results {
        match result {
            Ok((packets, bad)) => {
                compared += packets;
                worse.extend(bad);
            }
            Err(complaint) => worse.push(complaint),
        }
    }
    println!("{compared} packets compared");
    assert!(compared > 20_000, "only {compared} packets compared: {worse:#?}");
    assert!(worse.is_empty(), "bad after NAT, good before: {worse:#?}");
}
