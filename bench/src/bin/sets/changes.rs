//! Elements put in, taken out, and timed out.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant as Clock};

use ironweir_ruleset::store::{Elements, Ruleset};
use ironweir_ruleset::{
    Batch, Change, Creation, Element, Family, SetRef, Table, TableFlags, TableId, Userdata,
};
use ironweir_wire::Instant;

use crate::keys::{Shape, scattered};
use crate::lookups::filled;

/// Puts elements in one by one and in random order, as packets do: the mean time of one, and the longest.
pub(crate) fn fill(shape: Shape, count: u32) -> [Duration; 2] {
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_unstable_by_key(|number| scattered(*number));
    let mut elements = Elements::new(&shape.set(), 1);
    let mut longest = Duration::ZERO;
    let begin = Clock::now();
    for number in order {
        let (element, end) = shape.element(number);
        let begin = Clock::now();
        black_box(elements.insert(element, end, None, Instant::ZERO)).expect("no two are the same");
        longest = longest.max(begin.elapsed());
    }
    [begin.elapsed() / count, longest]
}

/// Prints how many bytes an element takes, measured in a process of its own, whose memory was nobody's before.
pub(crate) fn memory_of(row: usize) {
    let _ = std::io::stdout().flush();
    let Ok(program) = std::env::current_exe() else { return };
    let _ = std::process::Command::new(program).args(["memory", &row.to_string()]).status();
}

/// Prints how many bytes of memory each element of a set takes.
pub(crate) fn memory(shape: Shape, count: u32) {
    let before = resident();
    let elements = filled(shape, count);
    if let (Some(before), Some(after)) = (before, resident()) {
        println!("{:>9.1}", after.saturating_sub(before) as f64 / f64::from(count));
    }
    black_box(elements);
}

/// Bytes of memory that the process occupies (`/proc/self/statm`).
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// A transaction that adds one prefix to 500,000.
pub(crate) fn one_more() {
    let id = TableId { family: Family::Ip, name: "t".into() };
    let (flags, userdata, unknown) = (TableFlags::empty(), Userdata::default(), Default::default());
    let table = Table { id: id.clone(), flags, userdata, unknown };
    let set = Shape::Prefix.set();
    let elements = |numbers: std::ops::Range<u32>| {
        let pairs = numbers.map(|number| Shape::Prefix.element(number));
        pairs
            .flat_map(|(element, end)| [Some(element), end.map(Element::interval_end)])
            .flatten()
            .collect::<Vec<_>>()
    };
    let mut ruleset = Ruleset::new(1);
    let add = |numbers| Change::NewElements {
        table: id.clone(),
        set: SetRef::new("s"),
        elements: elements(numbers),
        creation: Creation::Add,
    };
    let mut batch = Batch::default();
    batch.changes.push(Change::NewTable { table, creation: Creation::Add });
    batch.changes.push(Change::NewSet { table: id.clone(), set, creation: Creation::Add });
    batch.changes.push(add(0..500_000));
    let begin = Clock::now();
    ruleset.apply(&batch, Instant::ZERO).expect("is sound");
    println!("\n500,000 prefixes in one transaction: {:.0?}", begin.elapsed());
    let mut took: Vec<Duration> = (0..1000)
        .map(|number| {
            let mut batch = Batch::default();
            batch.changes.push(add(500_000 + number..500_001 + number));
            let begin = Clock::now();
            ruleset.apply(&batch, Instant::ZERO).expect("is sound");
            begin.elapsed()
        })
        .collect();
    took.sort_unstable();
    println!("one more: {:.1?} in the median, longest {:.1?} (budget 1 ms)", took[500], took[999]);
}

/// A million elements whose time is over at once, while packets go on adding others.
pub(crate) fn timeouts() {
    let count = 1_000_000;
    let mut elements = Elements::new(&Shape::Timed.set(), 1);
    let life = Some(Duration::from_secs(60));
    for number in 0..count {
        elements.insert(Shape::Timed.element(number).0, None, life, Instant::ZERO).expect("new");
    }
    let mut now = Instant::from_secs(60);
    let mut took = Vec::new();
    let mut number = count;
    while !elements.expire(now, 64, |_| {}) {
        let begin = Clock::now();
        for _ in 0..32 {
            black_box(elements.expire(now, 2, |_| {}));
            black_box(elements.insert(Shape::Timed.element(number).0, None, life, now)).expect("new");
            number += 1;
        }
        took.push(begin.elapsed());
        now = now + Duration::from_micros(10);
    }
    took.sort_unstable();
    let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
    println!(
        "a million elements time out at once; vectors of 32 additions meanwhile: {:.1?} in the median, {:.1?} of 999 \
         in a thousand, longest {:.1?} (budget 1 ms)",
        at(500),
        at(999),
        at(1000)
    );
}
