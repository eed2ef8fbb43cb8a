use ironweir_wire::Instant;
use proptest::prelude::*;

use super::*;
use crate::Userdata;
use crate::set::SetPolicy;

fn definition(flags: SetFlags, fields: Vec<u32>, key_len: u32) -> Set {
    Set {
        name: "s".into(),
        id: 0,
        flags,
        key_type: 0,
        key_len,
        fields,
        data: None,
        size: None,
        timeout: None,
        gc_interval: None,
        policy: SetPolicy::Performance,
        exprs: vec![],
        userdata: Userdata::default(),
        unknown: Default::default(),
    }
}

#[test]
fn an_element_whose_time_is_over_is_gone_and_its_place_is_given_back() {
    let mut elements = Elements::new(&definition(SetFlags::TIMEOUT, vec![], 4), 1);
    let at = Instant::from_secs;
    let element = |n: u8| Element::new(Value::from([0, 0, 0, n]));
    let slot = elements.insert(element(1), None, Some(Duration::from_secs(5)), at(0)).expect("first");
    elements.insert(element(2), None, Some(Duration::from_secs(9)), at(0)).expect("second");
    elements.refresh(slot, Duration::from_secs(5), at(3));
    assert!(elements.lookup(&[0, 0, 0, 1], at(7)).is_some());
    assert!(elements.lookup(&[0, 0, 0, 1], at(8)).is_none());
    let mut gone = 0;
    elements.expire(at(7), 9, |_| gone += 1);
    assert_eq!((gone, elements.len()), (0, 2));
    elements.expire(at(9), 9, |_| gone += 1);
    assert_eq!((gone, elements.len(), elements.next_deadline()), (2, 0, None));
}

#[test]
fn a_million_elements_whose_time_is_over_go_in_portions() {
    let mut elements = Elements::new(&definition(SetFlags::TIMEOUT, vec![], 4), 1);
    let key = |n: u32| Value::from(n.to_be_bytes());
    for n in 0..1_000_000 {
        let life = Some(Duration::from_secs(60));
        elements.insert(Element::new(key(n)), None, life, Instant::ZERO).expect("new");
    }
    let now = Instant::from_secs(60);
    assert!(elements.lookup(&key(5), now).is_none(), "gone for packets at once");
    let (mut gone, mut portions) = (0, 0);
    loop {
        let before = gone;
        let all = elements.expire(now, 64, |_| gone += 1);
        assert!(gone - before <= 64, "no more than asked for");
        portions += 1;
        if all {
            break;
        }
        let due = elements.next_deadline().map(|at| at <= now);
        assert_eq!(due, (gone < 1_000_000).then_some(true), "more is to be done");
    }
    assert_eq!((gone, elements.len(), elements.next_deadline()), (1_000_000, 0, None));
    assert!(portions >= 1_000_000 / 64);
}

#[test]
fn time_that_jumps_back_does_not_keep_new_elements_for_ever() {
    let mut elements = Elements::new(&definition(SetFlags::TIMEOUT, vec![], 4), 1);
    let life = Some(Duration::from_secs(10));
    let mistaken = Instant::from_secs(4_000_000_000);
    elements.insert(Element::new(Value::from([1; 4])), None, life, mistaken).expect("new");
    elements.expire(mistaken, 9, |_| {});
    let now = Instant::from_secs(1_700_000_000);
    elements.expire(now, 9, |_| {});
    elements.insert(Element::new(Value::from([2; 4])), None, life, now).expect("new");
    let later = now + Duration::from_secs(10);
    assert!(elements.lookup(&[2; 4], now + Duration::from_secs(9)).is_some());
    assert!(elements.lookup(&[2; 4], later).is_none());
    let mut gone = Vec::new();
    elements.expire(later + Duration::from_secs(1), 9, |entry| gone.push(entry.element.key[0]));
    assert!(gone.contains(&2));
}

#[test]
fn refreshed_elements_live_on_and_shortened_ones_go_sooner() {
    let mut elements = Elements::new(&definition(SetFlags::TIMEOUT, vec![], 4), 1);
    let (at, secs) = (Instant::from_secs, Duration::from_secs);
    let slot = |elements: &mut Elements, n| {
        elements.insert(Element::new(Value::from([n; 4])), None, Some(secs(100)), at(0)).expect("new")
    };
    let (longer, shorter) = (slot(&mut elements, 1), slot(&mut elements, 2));
    elements.refresh(longer, secs(200), at(50));
    elements.refresh(shorter, secs(5), at(50));
    let mut gone = Vec::new();
    elements.expire(at(55), 9, |entry| gone.push(entry.element.key[0]));
    assert_eq!(gone, [2]);
    elements.expire(at(249), 9, |entry| gone.push(entry.element.key[0]));
    assert_eq!(gone, [2]);
    elements.expire(at(250), 9, |entry| gone.push(entry.element.key[0]));
    assert_eq!(gone, [2, 1]);
}

#[test]
fn a_removed_elements_deadline_does_not_end_the_next_in_its_slot() {
    let mut elements = Elements::new(&definition(SetFlags::TIMEOUT, vec![], 4), 1);
    let life = |s| Some(Duration::from_secs(s));
    let element = |n: u8| Element::new(Value::from([n; 4]));
    let slot = elements.insert(element(1), None, life(10), Instant::ZERO).expect("new");
    elements.remove(slot);
    assert_eq!(elements.insert(element(2), None, life(30), Instant::ZERO), Ok(slot));
    assert!(elements.expire(Instant::from_secs(29), 9, |_| panic!("too early")));
    assert!(elements.lookup(&[2; 4], Instant::from_secs(29)).is_some());
}

#[test]
fn a_set_of_a_certain_size_takes_no_more_and_the_catchall_does_not_count() {
    let mut set = definition(SetFlags::empty(), vec![], 4);
    set.size = Some(2);
    let mut elements = Elements::new(&set, 1);
    let element = |n: u8| Element::new(Value::from([n; 4]));
    elements.insert(element(1), None, None, Instant::ZERO).expect("first");
    elements.insert(Element::catchall(), None, None, Instant::ZERO).expect("catch-all");
    elements.insert(element(2), None, None, Instant::ZERO).expect("second");
    assert_eq!(elements.insert(element(3), None, None, Instant::ZERO), Err(Refusal::Full));
    let (slot, _) = elements.lookup(&[9; 4], Instant::ZERO).expect("the catch-all");
    assert_eq!(elements.find_live(&[9; 4], Instant::ZERO), Some(slot));
    let mut found = [None; 3];
    elements.find_each(&[&[1; 4], &[9; 4], &[1; 3]], Instant::ZERO, &mut found);
    assert_eq!(found, [elements.find_live(&[1; 4], Instant::ZERO), Some(slot), Some(slot)]);
}

#[test]
fn intervals_of_every_length_of_key_reach_to_the_last_key() {
    for key_len in [1, 2, 4, 6, 16, 20] {
        let mut elements = Elements::new(&definition(SetFlags::INTERVAL, vec![], key_len), 7);
        let key = |byte: u8| Value::new(&vec![byte; key_len as usize]);
        elements.insert(Element::new(key(1)), Some(key(2)), None, Instant::ZERO).expect("first");
        elements.insert(Element::new(key(0x80)), None, None, Instant::ZERO).expect("to the end");
        let there = |byte| elements.lookup(&key(byte), Instant::ZERO).is_some();
        assert_eq!(
            [0, 1, 2, 0x7f, 0x80, 0xff].map(there),
            [false, true, false, false, true, true],
            "{key_len}"
        );
        let listed: Vec<_> = elements.iter().map(|one| (one.key.clone().into_owned(), one.flags)).collect();
        let (none, end) = (ElementFlags::empty(), ElementFlags::INTERVAL_END);
        assert_eq!(listed, [(key(1), none), (key(2), end), (key(0x80), none)], "{key_len}");
        let overlapping = elements.insert(Element::new(key(0)), Some(key(3)), None, Instant::ZERO);
        assert!(matches!(overlapping, Err(Refusal::Overlaps(_))));
        let again = elements.insert(Element::new(key(1)), Some(key(2)), None, Instant::ZERO);
        assert!(matches!(again, Err(Refusal::Exists(_))));
    }
}

/// IPv6 prefixes and ports: fields of several words, some found by prefixes since eight others have the same address.
#[test]
fn concatenations_with_long_fields_find_what_a_list_finds() {
    let mut elements = Elements::new(&definition(SetFlags::INTERVAL | SetFlags::CONCAT, vec![16, 2], 20), 7);
    let key = |net: u16, host: u16, port: u16| {
        let mut key = [0; 20];
        key[..2].copy_from_slice(&net.to_be_bytes());
        key[14..16].copy_from_slice(&host.to_be_bytes());
        key[16..18].copy_from_slice(&port.to_be_bytes());
        Value::new(&key)
    };
    let mut model = Vec::new();
    for net in 0..40_u16 {
        for port in 0..u16::from(net % 3 == 0) * 30 + 1 {
            let (from, to) = (key(net, 16, port * 10), key(net, 31, port * 10 + 4));
            let mut element = Element::new(from);
            element.more_mut().key_end = Some(to);
            let slot = elements.insert(element, None, None, Instant::ZERO).expect("none overlaps");
            model.push((net, port, slot));
        }
    }
    let check = |elements: &Elements, model: &[(u16, u16, u32)]| {
        let keys = (0..42).flat_map(|net| (0..320).map(move |port| key(net, 16 + port % 16, port)));
        vectors_agree(elements, &keys.collect::<Vec<_>>());
        for net in 0..42 {
            for (host, port) in (0..320).map(|port| (16 + port % 16, port)).chain([(15, 0), (32, 3)]) {
                let inside = (16..32).contains(&host) && port % 10 < 5;
                let at = model.iter().find(|(n, p, _)| *n == net && *p == port / 10);
                let expected = at.filter(|_| inside).map(|(_, _, slot)| *slot);
                let found = elements.find_live(&key(net, host, port), Instant::ZERO);
                assert_eq!(found, expected, "{net} {host} {port}");
            }
        }
    };
    check(&elements, &model);
    let (gone, left): (Vec<_>, Vec<_>) = model.into_iter().partition(|(net, port, _)| (net + port) % 2 == 0);
    gone.iter().for_each(|(_, _, slot)| drop(elements.remove(*slot)));
    check(&elements, &left);
}

/// Keys in vectors find what they find one by one.
fn vectors_agree(elements: &Elements, keys: &[Value]) {
    let keys: Vec<&[u8]> = keys.iter().map(Value::as_slice).collect();
    let mut found = vec![Some(77); keys.len()];
    elements.find_each(&keys, Instant::ZERO, &mut found);
    let single: Vec<_> = keys.iter().map(|key| elements.find_live(key, Instant::ZERO)).collect();
    assert_eq!(found, single);
}

#[test]
fn vectors_find_what_single_keys_find() {
    for (key_len, count) in
        [(1, 200_u32), (2, 5000), (4, 5), (4, 40), (4, 6000), (8, 6000), (16, 5000), (20, 300)]
    {
        let key = |number: u32| {
            let mut key = vec![0; key_len as usize];
            key.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
            Value::new(&key)
        };
        for flags in [SetFlags::empty(), SetFlags::INTERVAL] {
            let mut elements = Elements::new(&definition(flags, vec![], key_len), 7);
            for number in (0..count).filter(|number| number % 4 == 1) {
                let end = (!flags.is_empty()).then(|| key(number + 2));
                elements.insert(Element::new(key(number)), end, None, Instant::ZERO).expect("new");
                if number % 1000 == 1 {
                    vectors_agree(&elements, &(0..number.min(300)).map(key).collect::<Vec<_>>());
                }
            }
            let mut keys: Vec<_> = (0..count + 9).map(key).collect();
            keys.push(Value::new(&[1, 2, 3]));
            vectors_agree(&elements, &keys);
        }
    }
}

proptest! {
    #[test]
    fn hash_agrees_with_a_list(ops in prop::collection::vec((any::<bool>(), 0..40u8), 0..200)) {
        let mut elements = Elements::new(&definition(SetFlags::empty(), vec![], 1), 7);
        let mut model: Vec<u8> = Vec::new();
        for (add, key) in ops {
            let element = Element::new(Value::from([key]));
            if add {
                let refused = elements.insert(element, None, None, Instant::ZERO).is_err();
                prop_assert_eq!(refused, model.contains(&key));
                if !refused { model.push(key); }
            } else if let Some(slot) = elements.find(&element, None) {
                elements.remove(slot);
                model.retain(|other| *other != key);
            } else {
                prop_assert!(!model.contains(&key));
            }
        }
        for key in 0..40 {
            prop_assert_eq!(elements.lookup(&[key], Instant::ZERO).is_some(), model.contains(&key));
        }
    }

    #[test]
    fn interval_agrees_with_a_list(ops in prop::collection::vec((any::<bool>(), 0..60u8, prop::option::of(1..20u8)), 0..80)) {
        let mut elements = Elements::new(&definition(SetFlags::INTERVAL, vec![], 1), 7);
        let mut model: Vec<(u8, Option<u8>)> = Vec::new();
        let inside = |(from, end): &(u8, Option<u8>), key: u8| *from <= key && end.is_none_or(|end| key < end);
        for (add, from, len) in ops {
            let end = len.map(|len| from + len);
            let element = Element::new(Value::from([from]));
            let bound = end.map(|end| Value::from([end]));
            if add {
                let overlaps = (0..=u8::MAX).any(|key| inside(&(from, end), key) && model.iter().any(|i| inside(i, key)));
                prop_assert_eq!(elements.insert(element, bound, None, Instant::ZERO).is_err(), overlaps);
                if !overlaps { model.push((from, end)); }
            } else {
                let found = elements.find(&element, bound.as_ref());
                prop_assert_eq!(found.is_some(), model.contains(&(from, end)));
                if let Some(slot) = found { elements.remove(slot); }
                model.retain(|other| *other != (from, end));
            }
        }
        for key in 0..=u8::MAX {
            prop_assert_eq!(elements.lookup(&[key], Instant::ZERO).is_some(), model.iter().any(|i| inside(i, key)));
            let begins = |listed: &Listed<'_>| !listed.flags.contains(ElementFlags::INTERVAL_END);
            let near = elements.iter_from(elements.position_below(&[key])).map(|(listed, _)| listed);
            let first = near.filter(begins).map(|listed| listed.key[0]).next();
            let below = model.iter().map(|(from, _)| *from).filter(|from| *from < key).max();
            prop_assert_eq!(first, below.or(model.iter().map(|(from, _)| *from).min()));
        }
    }

    #[test]
    fn concatenation_agrees_with_a_list(
        ops in prop::collection::vec((any::<bool>(), 0..4u8, 0..8u8, 0..30u8, 0..100u16, 0..400u16), 0..60),
        keys in prop::collection::vec((0..12u8, 0..130u16), 50),
    ) {
        // One byte and two, padded to four each.
        let mut elements = Elements::new(&definition(SetFlags::INTERVAL | SetFlags::CONCAT, vec![1, 2], 8), 7);
        let key = |a: u8, b: u16| { let [h, l] = b.to_be_bytes(); Value::from([a, 0, 0, 0, h, l, 0, 0]) };
        let mut model: Vec<((u8, u8), (u16, u16))> = Vec::new();
        let inside = |((a0, a1), (b0, b1)): &((u8, u8), (u16, u16)), a: u8, b: u16| {
            (*a0..=*a1).contains(&a) && (*b0..=*b1).contains(&b)
        };
        for (add, wide, a, more_a, b, more_b) in ops {
            let new = ((a, a.saturating_add(if wide == 0 { more_a } else { 0 })), (b, b + if wide == 1 { more_b } else { 0 }));
            let mut element = Element::new(key(new.0.0, new.1.0));
            element.more_mut().key_end = Some(key(new.0.1, new.1.1));
            if add {
                let meets = |a, b| model.iter().any(|other| inside(other, a, b));
                let refused = meets(new.0.0, new.1.0) || meets(new.0.1, new.1.1);
                prop_assert_eq!(elements.insert(element, None, None, Instant::ZERO).is_err(), refused);
                if !refused { model.push(new); }
            } else {
                let found = elements.find(&element, None);
                prop_assert_eq!(found.is_some(), model.contains(&new));
                if let Some(slot) = found { elements.remove(slot); }
                model.retain(|other| *other != new);
            }
        }
        for (a, b) in keys {
            let found = elements.lookup(&key(a, b), Instant::ZERO).is_some();
            prop_assert_eq!(found, model.iter().any(|other| inside(other, a, b)), "{} {}", a, b);
        }
    }
}
