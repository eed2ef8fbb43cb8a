//! What `--help` and the manual page say beside the options.

use crate::manual::Sections;

/// The sections of weir-nft(8).
pub const SECTIONS: Sections = Sections {
    examples: &[
        (
            "weir nft -c -f /etc/nftables.conf",
            "Whether the running kernel would take a file; nothing is changed",
        ),
        ("weir nft -f /etc/nftables.conf", "All of a file in one transaction, or nothing of it"),
        ("weir nft -a list ruleset", "What is loaded, with the handles by which rules are deleted"),
        ("weir nft -j list set inet filter blocked", "A set as JSON"),
        (
            "weir nft -e -a insert rule inet filter input tcp dport 22 accept",
            "A rule, and the handle that it got",
        ),
        (
            "weir nft 'add element inet filter blocked { 192.0.2.0/24 }'",
            "An element; quotes keep the braces from the shell",
        ),
        ("weir nft -o -c -f rules.nft", "Which rules could be one, without changing what they do"),
        ("weir nft monitor new rules", "Rules as others make them"),
        ("weir nft -i", "Commands line by line, with history and completion"),
        ("weir nft -d mnl,netlink -f rules.nft", "What is said to the kernel, and the bytecode of the rules"),
        ("weir nft --engine new -c -f rules.nft", "A file checked without root and without the kernel"),
    ],
    exit_status: &[
        ("0", "Everything was done; -h, -v and -V too."),
        (
            "1",
            "Something is wrong with the command line or the commands, or the kernel refused them: nothing was changed.",
        ),
    ],
    environment: &[
        ("HOME", "Where the history of -i is."),
        ("TZ", "The time zone that times and days of rules are written and read in."),
    ],
    files: &[
        ("/etc", "Where included files are looked for, unless -I says otherwise."),
        ("~/.nft.history", "Lines typed at -i, as nft of nftables keeps them too."),
        ("/etc/services, /etc/protocols", "Names of ports and protocols."),
        ("/etc/passwd, /etc/group", "Names of users and groups, for skuid, skgid and -u."),
        ("/etc/iproute2/rt_marks, rt_realms, group", "Names of marks, realms and groups of devices."),
        ("/etc/connlabel.conf, /etc/xtables/connlabel.conf", "Names of connection labels."),
    ],
    see_also: &[
        ("weir", "8"),
        ("weir-apply", "8"),
        ("weir-conntrack", "8"),
        ("weir-replay", "8"),
        ("nft", "8"),
        ("libnftables-json", "5"),
    ],
};
