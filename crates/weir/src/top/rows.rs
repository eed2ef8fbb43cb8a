//! Two samples compared: what went on between them.

use super::options::{Options, Sort};
use super::sample::{Count, Sample};

/// Lines of each part that are kept, whatever the terminal's height.
const MOST: usize = 1000;

/// A line of flows or rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// What it is.
    pub text: String,
    /// Packets per second.
    pub packets: f64,
    /// Bytes per second.
    pub bytes: f64,
    /// All so far.
    pub total: Count,
}

/// A line of drops.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// Why.
    pub text: String,
    /// Packets per second.
    pub packets: f64,
    /// All so far.
    pub total: u64,
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Connections, sorted.
    pub flows: Vec<Row>,
    /// Rules, sorted.
    pub rules: Vec<Row>,
    /// Reasons, sorted.
    pub drops: Vec<Dropped>,
    /// Connections now.
    pub connections: u64,
    /// And the most, if that is told.
    pub most: Option<u64>,
    /// The ruleset's generation.
    pub generation: u32,
    /// Seconds between the samples.
    pub seconds: f64,
    /// All flows together: bits per second, packets per second.
    pub sum: (f64, f64),
}

/// What went on between two samples. What began in between counts from 0.
pub fn compare(before: &Sample, now: &Sample, options: &Options) -> Rows {
    let seconds = now.at.since(before.at).as_secs_f64().max(1e-3);
    let row = |text: &str, old: Option<Count>, count: Count| {
        let old = old.unwrap_or_default();
        Row {
            text: text.to_owned(),
            // A counter that was set to zero went nowhere.
            packets: count.packets.saturating_sub(old.packets) as f64 / seconds,
            bytes: count.bytes.saturating_sub(old.bytes) as f64 / seconds,
            total: count,
        }
    };
    let mut sum = (0.0, 0.0);
    let mut flows = Vec::new();
    for (id, flow) in &now.flows {
        let row = row(&flow.text, before.flows.get(id).map(|old| old.count), flow.count);
        sum = (sum.0 + row.bytes * 8.0, sum.1 + row.packets);
        if options.lets_pass(&row.text) {
            flows.push(row);
        }
    }
    let rules = now
        .rules
        .iter()
        .map(|(key, rule)| row(&rule.text, before.rules.get(key).map(|old| old.count), rule.count));
    let mut rules: Vec<Row> = rules.filter(|row| options.lets_pass(&row.text)).collect();
    for rows in [&mut flows, &mut rules] {
        sort(rows, options.sort);
        rows.truncate(MOST);
    }
    let mut drops: Vec<Dropped> = now
        .drops
        .iter()
        .filter(|(reason, total)| **total > 0 && options.lets_pass(reason))
        .map(|(reason, total)| {
            let old = before.drops.get(reason).copied().unwrap_or_default();
            Dropped {
                text: reason.clone(),
                packets: total.saturating_sub(old) as f64 / seconds,
                total: *total,
            }
        })
        .collect();
    drops.sort_by(|a, b| b.packets.total_cmp(&a.packets).then(b.total.cmp(&a.total)));
    Rows {
        flows,
        rules,
        drops,
        connections: now.connections.map_or(now.flows.len() as u64, |(now, _)| now),
        most: now.connections.map(|(_, most)| most),
        generation: now.generation,
        seconds,
        sum,
    }
}

/// The most first; those that are equal by their text, so that lines do not jump about.
fn sort(rows: &mut [Row], by: Sort) {
    let key = |row: &Row| match by {
        Sort::Rate => row.bytes,
        Sort::Packets => row.packets,
        Sort::Bytes => row.total.bytes as f64,
    };
    rows.sort_by(|a, b| {
        key(b).total_cmp(&key(a)).then(b.total.bytes.cmp(&a.total.bytes)).then_with(|| a.text.cmp(&b.text))
    });
}

#[cfg(test)]
mod tests {
    use super::super::options;
    use super::super::sample::FlowSeen;
    use super::*;
    use ironweir_wire::Instant;

    fn sample(at: u64, flows: &[(u32, &str, u64)], drops: u64) -> Sample {
        let flow = |(id, text, bytes): &(u32, &str, u64)| {
            (*id, FlowSeen { count: Count { packets: bytes / 100, bytes: *bytes }, text: (*text).to_owned() })
        };
        Sample {
            at: Instant::from_secs(at),
            flows: flows.iter().map(flow).collect(),
            drops: [("no-route".to_owned(), drops), ("martian".to_owned(), 0)].into(),
            ..Sample::default()
        }
    }

    #[test]
    fn rates_are_what_was_counted_in_between() {
        let options = options::parse(&[]).unwrap();
        let before = sample(10, &[(1, "tcp a", 1000), (2, "udp b", 50_000)], 5);
        let now = sample(12, &[(1, "tcp a", 3000), (2, "udp b", 50_000), (3, "tcp c", 800)], 9);
        let rows = compare(&before, &now, &options);
        let told: Vec<_> = rows.flows.iter().map(|row| (row.text.as_str(), row.bytes, row.packets)).collect();
        assert_eq!(told, [("tcp a", 1000.0, 10.0), ("tcp c", 400.0, 4.0), ("udp b", 0.0, 0.0)]);
        assert_eq!((rows.sum, rows.connections), ((11_200.0, 14.0), 3));
        assert_eq!(rows.drops, [Dropped { text: "no-route".into(), packets: 2.0, total: 9 }]);
        let options = Options { filter: "b udp".into(), sort: Sort::Bytes, ..options };
        assert_eq!(compare(&before, &now, &options).flows.len(), 1);
    }

    #[test]
    fn what_was_reset_has_no_rate() {
        let options = options::parse(&[]).unwrap();
        let rows = compare(&sample(1, &[(1, "a", 9000)], 9), &sample(2, &[(1, "a", 100)], 1), &options);
        assert_eq!((rows.flows[0].bytes, rows.drops[0].packets), (0.0, 0.0));
    }
}
