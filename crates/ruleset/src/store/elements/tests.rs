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
    elements.expire(at(7), |_| gone += 1);
    assert_eq!((gone, elements.len()), (0, 2));
    elements.expire(at(9), |_| gone += 1);
    assert_eq!((gone, elements.len(), elements.next_deadline()), (2, 0, None));
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
