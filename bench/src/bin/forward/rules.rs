//! What routers are asked to do.

use std::fmt::Write as _;

/// Rulesets by name, which mean the same to the kernel and to the daemon.
pub fn all() -> [(&'static str, String); 4] {
    [
        ("no rules", String::new()),
        ("1,000 rules", thousand()),
        ("conntrack", format!("table inet f {{\n{CONNTRACK}}}\n")),
        ("masquerade", masquerade()),
    ]
}

const CONNTRACK: &str = "	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept, new : accept, invalid : drop }
	}
";

const MASQUERADE: &str = "table ip nat {
	chain post {
		type nat hook postrouting priority srcnat;
		oifname \"b0\" masquerade
	}
}
";

/// None of them matches, by the address.
fn thousand() -> String {
    let mut text =
        String::from("table inet f {\n\tchain forward {\n\t\ttype filter hook forward priority filter;\n");
    for number in 0..1000 {
        let _ = writeln!(text, "\t\tip saddr 172.16.{}.{} drop", number / 250, number % 250);
    }
    text + "\t}\n}\n"
}

pub fn masquerade() -> String {
    format!("table inet f {{\n{CONNTRACK}}}\n{MASQUERADE}")
}

/// As [`masquerade`], and what is known goes to a flowtable.
pub fn flowtable() -> String {
    let rules =
        CONNTRACK.replace("ct state vmap", "ip protocol { tcp, udp } flow add @ft\n\t\tct state vmap");
    let flowtable = "	flowtable ft {
		hook ingress priority filter
		devices = { a1, b0 }
	}
";
    format!("table inet f {{\n{flowtable}{rules}}}\n{MASQUERADE}")
}
