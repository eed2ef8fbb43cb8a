//! Changes as `nft --debug=netlink` prints them: sets, elements and rules, values most significant byte first.

use std::fmt::{self, Write};

use ironweir_expr::text::{Order, write_rule, write_value};

use ironweir_wire::Instant;

use crate::set::SetData;
use crate::store::{Ruleset, TableState};
use crate::{Batch, ChainRef, Change, Element, ElementData, Rule, Set, SetFlags, SetRef, TableId};
use crate::{Data, userdata};

/// Every new set, element and rule of a batch, in order. Sets that the batch does not make are asked of `known`; without
/// their definition, elements are printed as one field of network order.
pub fn print_batch<'a>(batch: &'a Batch, known: &dyn Fn(&TableId, &str) -> Option<&'a Set>) -> String {
    let mut text = String::new();
    for change in &batch.changes {
        // Writing to a string does not fail.
        let _ = write_change(&mut text, change, &|table, set| {
            find(batch, table, set).or_else(|| known(table, &set.name))
        });
    }
    text
}

/// Everything that is known of a ruleset: elements of its sets, then its rules with their handles. nft prints so what it
/// reads for a listing, whatever of that the listing shows.
pub fn print_ruleset(ruleset: &Ruleset, now: Instant) -> String {
    let mut text = String::new();
    for table in ruleset.tables() {
        // Writing to a string does not fail.
        let _ = write_table(&mut text, table, now);
    }
    text
}

fn write_table(f: &mut String, table: &TableState, now: Instant) -> fmt::Result {
    let id = &table.table.id;
    for set in table.sets().filter(|set| !set.is_empty()) {
        writeln!(f, "{} {} @{}", id.family, id.name, set.set.name)?;
        for element in set.dump(now) {
            f.write_char('\t')?;
            write_element(f, Some(&set.set), &element)?;
            f.write_char('\n')?;
        }
    }
    for chain in table.chains() {
        for rule in chain.rules() {
            writeln!(f, "{} {} {} {}", id.family, id.name, chain.chain.name, rule.handle)?;
            write_exprs(f, &rule.rule, &|set| table.set(set.name.as_ref()).map(|set| &set.set))?;
        }
    }
    Ok(())
}

/// One change on its own: empty for what is neither set, element nor rule.
pub fn print_change(change: &Change) -> String {
    let mut text = String::new();
    let _ = write_change(&mut text, change, &|_, _| None);
    text
}

/// The set of the batch that a reference means: by number where it has one, else by name.
fn find<'a>(batch: &'a Batch, table: &TableId, wanted: &SetRef) -> Option<&'a Set> {
    batch.changes.iter().find_map(|change| match change {
        Change::NewSet { table: of, set, .. } if of == table => {
            let same = match wanted.id {
                Some(id) => set.id == id,
                None => set.name == wanted.name,
            };
            same.then_some(set)
        }
        _ => None,
    })
}

type Sets<'s, 'a> = &'s dyn Fn(&TableId, &SetRef) -> Option<&'a Set>;

fn write_change(f: &mut String, change: &Change, sets: Sets<'_, '_>) -> fmt::Result {
    match change {
        Change::NewSet { table, set, .. } => {
            write!(f, "{} {} {:x}", set.name, table.name, set.flags.bits())?;
            set.size.iter().try_for_each(|size| write!(f, " size {size}"))?;
            set.timeout.iter().try_for_each(|timeout| write!(f, " timeout {timeout}ms"))?;
            f.write_char('\n')
        }
        Change::NewElements { table, set, elements, .. } => {
            writeln!(f, "{} {} 0", set.name, table.name)?;
            let definition = sets(table, set);
            elements.iter().try_for_each(|element| {
                f.write_char('\t')?;
                write_element(f, definition, element)
            })?;
            f.write_char('\n')
        }
        Change::NewRule { table, chain, rule, .. } => write_new_rule(f, table, chain, rule, sets),
        _ => Ok(()),
    }
}

fn write_new_rule(
    f: &mut String,
    table: &TableId,
    chain: &ChainRef,
    rule: &Rule,
    sets: Sets<'_, '_>,
) -> fmt::Result {
    writeln!(f, "{} {} {}", table.family, table.name, chain.name)?;
    write_exprs(f, rule, &|set| sets(table, set))
}

/// The expressions of a rule, and an empty line.
fn write_exprs<'a>(f: &mut String, rule: &Rule, sets: &dyn Fn(&SetRef) -> Option<&'a Set>) -> fmt::Result {
    write_rule(f, &rule.exprs, &|set| match sets(set)?.data? {
        SetData::Value { kind, len } => Some((len as usize, kind_shape(kind & TYPE_MASK).1)),
        SetData::Verdict | SetData::Object(_) => None,
    })?;
    f.write_char('\n')
}

/// An element: `element 0016`, `element 0a000001 . 0050 - 0a0000ff . 0050 : accept`, `element 00000021 flags 1`.
pub fn write_element(f: &mut impl Write, set: Option<&Set>, element: &Element) -> fmt::Result {
    f.write_str("element ")?;
    write_key(f, set, &element.key)?;
    if let Some(end) = element.key_end() {
        f.write_str(" - ")?;
        write_key(f, set, end)?;
    }
    match element.data() {
        None => {}
        Some(ElementData::Object(name)) => write!(f, " : {name}")?,
        Some(ElementData::Data(Data::Verdict(verdict))) => write!(f, " : {verdict}")?,
        Some(ElementData::Data(Data::Value(value))) => {
            f.write_str(" : ")?;
            write_data(f, set, value)?;
        }
    }
    if element.flags.is_empty() { Ok(()) } else { write!(f, " flags {:x}", element.flags.bits()) }
}

fn write_key(f: &mut impl Write, set: Option<&Set>, key: &[u8]) -> fmt::Result {
    if key.is_empty() {
        return Ok(()); // all others
    }
    let Some(set) = set else { return write_value(f, key, Order::Network) };
    let fields = set.fields.len().max(1);
    // Intervals are kept in network order whatever the type: sets compare bytes.
    let interval = set.flags.contains(SetFlags::INTERVAL);
    // The type of an integer (`typeof`) does not tell its order; user data does.
    let told = match set.userdata.get_u32(userdata::SET_KEY_BYTEORDER) {
        Some(HOST_ENDIAN) => Order::Host,
        _ => Order::Network,
    };
    let mut rest = key;
    for field in 0..fields {
        let len = set.fields.get(field).map_or(rest.len(), |len| *len as usize);
        let order = match kind_of(set.key_type, field, fields) {
            _ if interval => Order::Network,
            INTEGER if fields == 1 => told,
            kind => kind_shape(kind).1,
        };
        rest = write_field(f, rest, len, order, field > 0)?;
    }
    Ok(())
}

/// A map's data. More than the type's fields fill is a range: they come once more.
fn write_data(f: &mut impl Write, set: Option<&Set>, data: &[u8]) -> fmt::Result {
    let Some(SetData::Value { kind, .. }) = set.and_then(|set| set.data) else {
        return write_value(f, data, Order::Network);
    };
    let fields = (1..=5).rev().find(|n| kind >> (TYPE_BITS * (n - 1)) != 0).unwrap_or(1) as usize;
    let mut rest = data;
    for field in 0.. {
        if rest.is_empty() {
            break;
        }
        let (len, order) = kind_shape(kind_of(kind, field % fields, fields));
        let len = if len == 0 { rest.len() } else { len };
        rest = write_field(f, rest, len, order, field > 0)?;
    }
    Ok(())
}

/// Writes a field and gives what lies behind it and its padding to four bytes.
fn write_field<'a>(
    f: &mut impl Write,
    bytes: &'a [u8],
    len: usize,
    order: Order,
    further: bool,
) -> Result<&'a [u8], fmt::Error> {
    let (field, _) = bytes.split_at(len.min(bytes.len()));
    f.write_str(if further { " . " } else { "" })?;
    write_value(f, field, order)?;
    Ok(bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]))
}

/// `BYTEORDER_HOST_ENDIAN` of nft's user data.
const HOST_ENDIAN: u32 = 1;
/// Bits of one field's type in the type number of a concatenation (nft's `TYPE_BITS`).
const TYPE_BITS: u32 = 6;
const TYPE_MASK: u32 = (1 << TYPE_BITS) - 1;
/// nft's `TYPE_INTEGER`, whose width and order each use has of its own.
const INTEGER: u32 = 4;

/// The type of one field of a concatenation; 0 where there was no room for it in the number.
fn kind_of(kind: u32, field: usize, fields: usize) -> u32 {
    let shift = TYPE_BITS * u32::try_from(fields - 1 - field).unwrap_or(u32::MAX / TYPE_BITS);
    kind.checked_shr(shift).unwrap_or(0) & TYPE_MASK
}

/// Bytes and order of nft's datatypes by their number (`enum datatypes`); 0 bytes where each use has its own width.
fn kind_shape(kind: u32) -> (usize, Order) {
    match kind {
        // ct_state, ct_status, ct_event, mark, iface_index, realm, classid, uid, gid, devgroup, fib_addrtype, hour
        19 | 20 | 22..=26 | 28 | 35 | 38 | 40 | 44 => (4, Order::Host),
        // iface_type
        21 => (2, Order::Host),
        // time, date, cgroupsv2
        18 | 43 | 46 => (8, Order::Host),
        // ct_label
        30 => (16, Order::Host),
        // ipv4_addr
        7 => (4, Order::Network),
        // ipv6_addr, ifname
        8 | 41 => (16, Order::Network),
        // ether_addr
        9 => (6, Order::Network),
        // ether_type, arp_op, inet_service
        10 | 11 | 13 => (2, Order::Network),
        // nf_proto, inet_proto, icmp_type, tcp_flag, dccp_pkttype, mh_type, ct_dir, icmpv6_type, pkt_type, codes, dscp, ecn,
        // boolean, igmp_type, day
        2 | 12 | 14..=17 | 27 | 29 | 31..=34 | 36 | 37 | 39 | 42 | 45 => (1, Order::Network),
        _ => (0, Order::Network),
    }
}

#[cfg(test)]
mod tests {
    use ironweir_expr::{Expr, Family, Register, Value, Verdict, lookup, meta};

    use super::*;
    use crate::set::SetPolicy;
    use crate::{Creation, Place, Userdata};

    fn set(key_type: u32, fields: Vec<u32>, flags: SetFlags, data: Option<SetData>) -> Set {
        Set {
            name: "__map%d".into(),
            id: 7,
            flags,
            key_type,
            key_len: fields.iter().map(|len| len.next_multiple_of(4)).sum(),
            fields,
            data,
            size: Some(2),
            timeout: None,
            gc_interval: None,
            policy: SetPolicy::default(),
            exprs: Vec::new(),
            userdata: Userdata::default(),
            unknown: Default::default(),
        }
    }

    fn element(set: &Set, element: &Element) -> String {
        let mut text = String::new();
        write_element(&mut text, Some(set), element).expect("strings take everything");
        text
    }

    #[test]
    fn elements_print_as_in_the_corpus() {
        // tests/py/inet/tcp.t.payload: tcp dport 1-32 and the like
        let ports = set(13, vec![], SetFlags::INTERVAL, None);
        assert_eq!(element(&ports, &Element::interval_end([0, 0x21].into())), "element 0021 flags 1");
        // tests/py/inet/ct.t.payload: a verdict map
        let states = set(26, vec![], SetFlags::MAP, Some(SetData::Verdict));
        let mut known = Element::new(8u32.to_ne_bytes().into());
        known.more_mut().data = Some(ElementData::Data(Data::Verdict(Verdict::Drop)));
        assert_eq!(element(&states, &known), "element 00000008 : drop");
        // tests/py/inet/sets.t.payload: 10.0.0.0/8 . 10-23 in an interval of two fields
        let kind = (7 << 6) | 13;
        let pairs = set(kind, vec![4, 2], SetFlags::INTERVAL | SetFlags::CONCAT, None);
        let mut pair = Element::new([10, 0, 0, 0, 0, 10, 0, 0].into());
        pair.more_mut().key_end = Some([10, 255, 255, 255, 0, 23, 0, 0].into());
        assert_eq!(element(&pairs, &pair), "element 0a000000 . 000a - 0affffff . 0017");
        // tests/py/ip/snat.t.payload: an address and port range as data
        let nat = set(7, vec![], SetFlags::MAP, Some(SetData::Value { kind, len: 16 }));
        let mut mapped = Element::new([10, 1, 2, 3].into());
        let data = [10, 141, 10, 0, 0, 80, 0, 0, 10, 141, 10, 255, 0, 80, 0, 0];
        mapped.more_mut().data = Some(ElementData::Data(Data::Value(data.into())));
        assert_eq!(element(&nat, &mapped), "element 0a010203 : 0a8d0a00 . 0050 . 0a8d0aff . 0050");
        // tests/py/ip/ct.t.payload: a mark and an address
        let marks = set((19 << 6) | 7, vec![4, 4], SetFlags::CONSTANT, None);
        let key = [20u32.to_ne_bytes(), [1, 1, 1, 1]].concat();
        assert_eq!(element(&marks, &Element::new(key.into())), "element 00000014 . 01010101");
    }

    #[test]
    fn a_batch_prints_set_elements_and_rule() {
        let table = TableId::new(Family::Ip, "test-ip4");
        let map = set(19, vec![], SetFlags::ANONYMOUS | SetFlags::CONSTANT, None);
        let reference = SetRef { name: map.name.clone(), id: Some(map.id) };
        let exprs = vec![
            Expr::MetaGet(meta::Get { key: meta::Key::Mark, destination: Register::R1 }),
            Expr::Lookup(lookup::Lookup {
                set: reference.clone(),
                source: Register::R1,
                result: lookup::Outcome::Test { invert: true },
            }),
        ];
        let batch = Batch {
            changes: vec![
                Change::NewSet { table: table.clone(), set: map, creation: Creation::Add },
                Change::NewElements {
                    table: table.clone(),
                    set: reference,
                    elements: [1u32, 2].map(|n| Element::new(Value::from(n.to_ne_bytes()))).into(),
                    creation: Creation::Add,
                },
                Change::NewRule {
                    table,
                    chain: ChainRef::new("input"),
                    rule: Rule { exprs, userdata: Userdata::default(), ..Rule::default() },
                    place: Place::Last,
                },
            ],
        };
        let text = "__map%d test-ip4 3 size 2\n\
                    __map%d test-ip4 0\n\
                    \telement 00000001\telement 00000002\n\
                    ip test-ip4 input\n  \
                    [ meta load mark => reg 1 ]\n  \
                    [ lookup reg 1 set __map%d 0x1 ]\n\n";
        assert_eq!(print_batch(&batch, &|_, _| None), text);
    }
}
