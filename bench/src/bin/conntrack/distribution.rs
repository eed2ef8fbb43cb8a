//! How tuples lie in the table: those of traffic, and those that someone chose who does not know the key.

use ironweir_conntrack::{Config, Confirm, Conntrack, PacketIn, Template};
use ironweir_wire::protocol::ethertype;
use ironweir_wire::{Instant, LinkType, Packet, dissect};

const FLOWS: usize = 200_000;

/// A way to choose the tuple of a flow: source and destination address and port.
type Choice = fn(u32) -> (u32, u16, u32, u16);

const CHOICES: [(&str, Choice); 5] = [
    ("one client, all its ports, a few servers", |n| {
        (0x0a00_0001, (n % 64_000) as u16 + 1024, 0xc000_0200 + n / 64_000, 443)
    }),
    ("many clients, one port", |n| (0x0a00_0000 + n, 5353, 0xc000_0201, 53)),
    ("addresses and ports that differ in upper bits alone", |n| {
        (n.reverse_bits(), (n as u16).reverse_bits(), 0xc000_0201, 80)
    }),
    // What collides in a hash that adds or XORs words without a key, such as that of Linux before 2.6.14's.
    ("source XOR destination is the same", |n| (n ^ 0x5555_5555, 1000, n ^ 0xaaaa_aaaa, 2000)),
    ("ports and addresses that add up to the same", |n| {
        (0x0a00_0000 + n, (n & 0x7fff) as u16, 0x0b00_0000 - n, 0x7fff - (n & 0x7fff) as u16)
    }),
];

/// Prints how many buckets hold how many tuples, beside what chance would give.
pub fn print() {
    println!("tuples in a bucket of twelve, {FLOWS} flows, buckets of each fill in thousandths:");
    println!("{:>54} {} longest look-up", "", (0..=12).map(|n| format!("{n:>4}")).collect::<String>());
    let mut buckets = 0;
    for (name, choice) in CHOICES {
        let (counts, longest) = fill(choice);
        buckets = counts.iter().sum();
        let total = counts.iter().sum::<usize>() as f64;
        let shares: String =
            counts.iter().map(|count| format!("{:>4.0}", *count as f64 * 1000.0 / total)).collect();
        println!("{name:>54} {shares} {longest} lines");
    }
    let mean = 2.0 * FLOWS as f64 / buckets as f64;
    let mut share = (-mean).exp();
    let mut text = String::new();
    for number in 0..=12 {
        text += &format!("{:>4.0}", share * 1000.0);
        share *= mean / f64::from(number + 1);
    }
    println!("{:>54} {text} (what is above 12 goes on to the next)", "by chance (Poisson)");
}

fn fill(choice: Choice) -> ([usize; 13], usize) {
    let mut conntrack = Conntrack::new(Config { max: FLOWS, ..Config::default() }, 99);
    let now = Instant::from_secs(1_700_000_000);
    for flow in 0..FLOWS as u32 {
        let (src, sport, dst, dport) = choice(flow);
        let mut bytes = [0; 28];
        bytes[0] = 0x45;
        bytes[3] = 28;
        bytes[8] = 64;
        bytes[9] = 17;
        bytes[12..16].copy_from_slice(&src.to_be_bytes());
        bytes[16..20].copy_from_slice(&dst.to_be_bytes());
        bytes[20..22].copy_from_slice(&sport.to_be_bytes());
        bytes[22..24].copy_from_slice(&dport.to_be_bytes());
        bytes[25] = 8;
        let mut packet = Packet::new(&mut bytes, 0, 28, LinkType::None);
        packet.meta.protocol = ethertype::IPV4;
        let info = dissect(&mut packet).expect("made to be sound");
        let PacketIn::Pass(tracking) = conntrack.packet_in(now, &packet, &info, &Template::default()) else {
            panic!("dropped");
        };
        assert_eq!(conntrack.confirm(now, tracking), Confirm::Pass(tracking));
    }
    conntrack.distribution()
}
