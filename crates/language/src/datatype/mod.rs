//! nft's datatypes: numbered kinds of values, their width, byte order, spelling and symbols.
//!
//! The numbers are stored with sets (`NFTA_SET_KEY_TYPE`), so they are fixed by nft (`enum datatypes`).

mod hosts;
pub(crate) mod names;
mod parse;
mod print;
mod symbols;

pub use hosts::{Hosts, Resolver};
pub use names::{NameTable, Names};
pub(crate) use parse::clock_seconds;
pub use parse::{Datum, SymbolError, parse_number, parse_symbol};
pub use print::{PrintOptions, print_datum, print_time};
pub use symbols::{Symbol, find_name, find_value, symbols};

/// Byte order of a value in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Not a number, or of one byte.
    None,
    /// The machine's own order.
    Host,
    /// Network order.
    Big,
}

/// nft's datatypes, numbered as in `enum datatypes` (`TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // each is described by `Type::description`
pub enum Type {
    Invalid = 0,
    Verdict = 1,
    Nfproto = 2,
    Bitmask = 3,
    Integer = 4,
    String = 5,
    LlAddr = 6,
    Ipv4Addr = 7,
    Ipv6Addr = 8,
    EtherAddr = 9,
    EtherType = 10,
    ArpOp = 11,
    InetProto = 12,
    InetService = 13,
    IcmpType = 14,
    TcpFlag = 15,
    DccpPkttype = 16,
    MhType = 17,
    Time = 18,
    Mark = 19,
    IfaceIndex = 20,
    IfaceType = 21,
    Realm = 22,
    Classid = 23,
    Uid = 24,
    Gid = 25,
    CtState = 26,
    CtDir = 27,
    CtStatus = 28,
    Icmpv6Type = 29,
    CtLabel = 30,
    PktType = 31,
    IcmpCode = 32,
    Icmpv6Code = 33,
    IcmpxCode = 34,
    Devgroup = 35,
    Dscp = 36,
    Ecn = 37,
    FibAddrtype = 38,
    Boolean = 39,
    CtEvent = 40,
    Ifname = 41,
    IgmpType = 42,
    Date = 43,
    Hour = 44,
    Day = 45,
    Cgroupv2 = 46,
    /// Subtypes of the MPTCP option: integers with words, not a datatype that sets know.
    MptcpSubtype = 47,
    /// Integers that are listed in hexadecimal (nft's `xinteger`); to sets they are integers.
    HexInteger = 48,
}

/// One row of the table of datatypes.
struct Row {
    name: &'static str,
    description: &'static str,
    /// Bits; 0 where each use has its own width.
    bits: u32,
    order: Order,
    base: Option<Type>,
}

impl Type {
    /// Every type, in the order of their numbers.
    pub const ALL: [Type; 47] = {
        use Type::*;
        [
            Invalid,
            Verdict,
            Nfproto,
            Bitmask,
            Integer,
            String,
            LlAddr,
            Ipv4Addr,
            Ipv6Addr,
            EtherAddr,
            EtherType,
            ArpOp,
            InetProto,
            InetService,
            IcmpType,
            TcpFlag,
            DccpPkttype,
            MhType,
            Time,
            Mark,
            IfaceIndex,
            IfaceType,
            Realm,
            Classid,
            Uid,
            Gid,
            CtState,
            CtDir,
            CtStatus,
            Icmpv6Type,
            CtLabel,
            PktType,
            IcmpCode,
            Icmpv6Code,
            IcmpxCode,
            Devgroup,
            Dscp,
            Ecn,
            FibAddrtype,
            Boolean,
            CtEvent,
            Ifname,
            IgmpType,
            Date,
            Hour,
            Day,
            Cgroupv2,
        ]
    };

    /// From its number; `None` also for [`Type::Invalid`].
    pub fn from_number(number: u32) -> Option<Type> {
        match number {
            0 => None,
            n => Type::ALL.get(usize::try_from(n).ok()?).copied(),
        }
    }

    /// Its number in sets (`NFTA_SET_KEY_TYPE`).
    pub fn number(self) -> u32 {
        match self {
            Type::MptcpSubtype | Type::HexInteger => Type::Integer as u32,
            known => known as u32,
        }
    }

    /// From the word nft uses after `type`.
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.into_iter().skip(1).find(|t| t.name() == name)
    }

    /// The word nft uses after `type`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What nft calls it in messages.
    pub fn description(self) -> &'static str {
        self.row().description
    }

    /// Width in bits; 0 where each use has its own (integers, strings).
    pub fn bits(self) -> u32 {
        self.row().bits
    }

    /// Byte order in registers.
    pub fn order(self) -> Order {
        self.row().order
    }

    /// The type whose spelling serves where this one has no symbol.
    pub fn base(self) -> Option<Type> {
        self.row().base
    }

    /// Whether it is `other` or based on it.
    pub fn is_a(self, other: Type) -> bool {
        let mut at = Some(self);
        while let Some(t) = at {
            if t == other {
                return true;
            }
            at = t.base();
        }
        false
    }

    /// The type at the end of the chain of bases.
    pub fn root(self) -> Type {
        let mut at = self;
        while let Some(base) = at.base() {
            at = base;
        }
        at
    }

    /// Whether its values are sets of flags.
    pub fn is_bitmask(self) -> bool {
        self.is_a(Type::Bitmask)
    }

    /// Whether its values are characters.
    pub fn is_string(self) -> bool {
        self.is_a(Type::String)
    }

    fn row(self) -> Row {
        use Order::*;
        use Type::*;
        let row = |name, description, bits, order, base| Row { name, description, bits, order, base };
        let int = Some(Integer);
        let flags = Some(Bitmask);
        match self {
            Invalid => row("invalid", "invalid", 0, None, Option::None),
            Verdict => row("verdict", "netfilter verdict", 0, None, Option::None),
            Nfproto => row("nf_proto", "netfilter protocol", 8, None, int),
            Bitmask => row("bitmask", "bitmask", 0, None, int),
            Integer => row("integer", "integer", 0, None, Option::None),
            String => row("string", "string", 0, Host, Option::None),
            LlAddr => row("ll_addr", "link layer address", 0, Big, int),
            Ipv4Addr => row("ipv4_addr", "IPv4 address", 32, Big, int),
            Ipv6Addr => row("ipv6_addr", "IPv6 address", 128, Big, int),
            EtherAddr => row("ether_addr", "Ethernet address", 48, Big, Some(LlAddr)),
            EtherType => row("ether_type", "Ethernet protocol", 16, Big, int),
            ArpOp => row("arp_op", "ARP operation", 16, Big, int),
            InetProto => row("inet_proto", "Internet protocol", 8, Big, int),
            InetService => row("inet_service", "internet network service", 16, Big, int),
            IcmpType => row("icmp_type", "ICMP type", 8, Big, int),
            TcpFlag => row("tcp_flag", "TCP flag", 8, None, flags),
            DccpPkttype => row("dccp_pkttype", "DCCP packet type", 4, Big, int),
            MhType => row("mh_type", "Mobility Header Type", 8, Big, int),
            Time => row("time", "relative time", 64, Host, int),
            Mark => row("mark", "packet mark", 32, Host, int),
            IfaceIndex => row("iface_index", "network interface index", 32, Host, int),
            IfaceType => row("iface_type", "network interface type", 16, Host, int),
            Realm => row("realm", "routing realm", 32, Host, int),
            Classid => row("classid", "TC classid", 32, Host, int),
            Uid => row("uid", "user ID", 32, Host, int),
            Gid => row("gid", "group ID", 32, Host, int),
            CtState => row("ct_state", "conntrack state", 32, Host, flags),
            CtDir => row("ct_dir", "conntrack direction", 8, None, int),
            CtStatus => row("ct_status", "conntrack status", 32, Host, flags),
            Icmpv6Type => row("icmpv6_type", "ICMPv6 type", 8, Big, int),
            CtLabel => row("ct_label", "conntrack label", 128, Host, flags),
            PktType => row("pkt_type", "packet type", 8, Host, int),
            IcmpCode => row("icmp_code", "icmp code", 8, Big, int),
            Icmpv6Code => row("icmpv6_code", "icmpv6 code", 8, Big, int),
            IcmpxCode => row("icmpx_code", "icmpx code", 8, Big, int),
            Devgroup => row("devgroup", "devgroup name", 32, Host, int),
            Dscp => row("dscp", "Differentiated Services Code Point", 6, Big, int),
            Ecn => row("ecn", "Explicit Congestion Notification", 2, Big, int),
            FibAddrtype => row("fib_addrtype", "fib address type", 32, Host, int),
            Boolean => row("boolean", "boolean type", 1, Host, int),
            CtEvent => row("ct_event", "conntrack event bits", 32, Host, flags),
            Ifname => row("ifname", "network interface name", 128, Host, Some(String)),
            IgmpType => row("igmp_type", "IGMP type", 8, Big, int),
            Date => row("time", "Relative time of packet reception", 64, Host, int),
            Hour => row("hour", "Hour of day of packet reception", 32, Host, int),
            Day => row("day", "Day of week of packet reception", 8, Host, int),
            Cgroupv2 => row("cgroupsv2", "cgroupsv2 path", 64, Host, int),
            HexInteger => row("integer", "integer", 0, None, int),
            MptcpSubtype => row("integer", "mptcp option subtype", 4, Big, int),
        }
    }
}

/// How many fields a concatenation may have (`NFT_REG32_COUNT`).
pub const MAX_CONCAT: usize = 16;

/// Bits of a field's type within a concatenation's type number (`TYPE_BITS`).
pub const CONCAT_TYPE_BITS: u32 = 6;

/// The number of a concatenation of these types (`concat_type_alloc`), which is the type itself for one alone.
///
/// Only as many as 32 bits hold are told apart: more fields shift the first ones out, as in nft.
pub fn concat_number(types: &[Type]) -> u32 {
    types.iter().fold(0u32, |number, t| (number << CONCAT_TYPE_BITS) | t.number())
}

/// The types of a concatenation's number; `None` if one of them is unknown.
pub fn concat_types(number: u32) -> Option<Vec<Type>> {
    let mut types = Vec::new();
    let mut rest = number;
    while rest != 0 {
        types.push(Type::from_number(rest & ((1 << CONCAT_TYPE_BITS) - 1))?);
        rest >>= CONCAT_TYPE_BITS;
    }
    types.reverse();
    (!types.is_empty()).then_some(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_table() {
        for (place, t) in Type::ALL.into_iter().enumerate() {
            assert_eq!(t as usize, place);
        }
        assert_eq!(Type::from_name("inet_service"), Some(Type::InetService));
    }

    #[test]
    fn concatenations_are_packed_by_six_bits() {
        // ipv4_addr . inet_service, as the kernel shows it for such a set
        let number = concat_number(&[Type::Ipv4Addr, Type::InetService]);
        assert_eq!(number, (7 << 6) | 13);
        assert_eq!(concat_types(number), Some(vec![Type::Ipv4Addr, Type::InetService]));
    }
}
