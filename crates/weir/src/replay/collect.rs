//! The report's data from the engine and the tally.

use std::collections::BTreeMap;

use ironweir_engine::{ChainId, DropReason, Engine};
use ironweir_firewall::listing;
use ironweir_language::datatype::Names;
use ironweir_ruleset::store::{ChainState, RuleState, TableState};
use ironweir_ruleset::{Handle, ObjectKind};

use super::report::{Chain, Conntrack, Drop, Flowtable, Object, Packets, Report, Rule, Set, protocol_name};
use super::tally::{Count, Tally};

/// Where rules stand in the source: file and line by table slot and handle.
pub type Places = BTreeMap<(u32, Handle), (String, usize)>;

/// What the report is made from.
#[derive(Clone, Copy)]
struct From<'a> {
    engine: &'a Engine,
    names: &'a Names,
    tally: &'a Tally,
    places: &'a Places,
}

/// Everything but captures and times.
pub fn collect(engine: &Engine, names: &Names, tally: &Tally, places: &Places) -> Report {
    let from = From { engine, names, tally, places };
    let fates = tally.fates;
    let mut report = Report {
        packets: Packets {
            read: fates.read,
            passed: fates.passed,
            dropped: fates.dropped,
            queued: fates.queued,
            stolen: fates.stolen,
            malformed: fates.malformed,
            offloaded: fates.offloaded,
            local: fates.local,
            sent: fates.sent,
            cut: tally.cut,
            made: tally.made,
        },
        ..Report::default()
    };
    for (reason, count) in &tally.drops {
        let found = drop(from, *reason, *count);
        match reason {
            DropReason::Malformed(_) => report.malformed.push(found),
            _ => report.drops.push(found),
        }
    }
    // Sorted by number of packets; those of equal number in the order of reasons.
    report.drops.sort_by_key(|drop| std::cmp::Reverse(drop.packets));
    report.malformed.sort_by_key(|drop| std::cmp::Reverse(drop.packets));
    for table in engine.ruleset().tables() {
        add_table(&mut report, from, table);
    }
    report.conntrack = Conntrack {
        created: tally.connections.values().sum(),
        by_protocol: tally
            .connections
            .iter()
            .map(|(number, count)| (protocol_name(*number), *count))
            .collect(),
        now: engine.conntrack().len() as u64,
    };
    report
}

fn drop(from: From<'_>, reason: DropReason, count: Count) -> Drop {
    let ruleset = from.engine.ruleset();
    let mut drop = Drop {
        reason: reason.name().to_owned(),
        words: reason.describe(ruleset).to_string(),
        packets: count.packets,
        bytes: count.bytes,
        ..Drop::default()
    };
    let (chain, handle) = match reason {
        DropReason::Rule(rule) => (rule.chain, Some(rule.handle)),
        DropReason::Policy(chain) => (chain, None),
        _ => return drop,
    };
    drop.handle = handle.map(|handle| handle.0);
    if let Some((table, chain)) = chain.resolve(ruleset) {
        drop.family = Some(table.table.id.family.name());
        drop.table = Some(table.table.id.name.to_string());
        drop.chain = Some(chain.chain.name.to_string());
        if let Some(rule) = handle.and_then(|handle| chain.rule(handle)) {
            let text = listing::rule(from.engine, from.names, table, rule, false);
            let place = from.places.get(&(table.id, rule.handle));
            let place = place.map(|(file, line)| format!(" ({file}:{line})")).unwrap_or_default();
            drop.words = format!("{} {}: {text}{place}", table.table.id, chain.chain.name);
        }
    }
    drop
}

fn add_table(report: &mut Report, from: From<'_>, table: &TableState) {
    let tally = from.tally;
    let (family, name) = (table.table.id.family.name(), table.table.id.name.to_string());
    for state in table.chains() {
        report.chains.push(chain(tally, table, state));
        for rule in state.rules() {
            report.rules.push(self::rule(from, table, state, rule));
        }
    }
    for state in table.objects() {
        let mut object = Object {
            family,
            table: name.clone(),
            kind: state.object.object_type().name(),
            name: state.object.name.to_string(),
            handle: state.handle.0,
            ..Object::default()
        };
        match &state.object.kind {
            ObjectKind::Counter(counter) => {
                let (packets, bytes) = counter.totals();
                (object.packets, object.bytes) = (Some(packets), Some(bytes));
                object.changed = packets > 0;
            }
            ObjectKind::Quota(quota) => {
                (object.bytes, object.used) = (Some(quota.bytes), Some(quota.consumed()));
                object.over = Some(quota.over);
                object.changed = quota.consumed() > 0;
            }
            _ => {}
        }
        report.objects.push(object);
    }
    for state in table.sets().filter(|set| !set.is_anonymous()) {
        report.sets.push(Set {
            family,
            table: name.clone(),
            kind: if state.set.data.is_some() { "map" } else { "set" },
            name: state.set.name.to_string(),
            handle: state.handle.0,
            elements: state.element_count(),
            added: tally.added.get(&(table.id, state.id)).copied().unwrap_or(0),
        });
    }
    for state in table.flowtables() {
        let stats = from.engine.flowtable_stats(table.id, state.id);
        report.flowtable.push(Flowtable {
            family,
            table: name.clone(),
            name: state.flowtable.name.to_string(),
            handle: state.handle.0,
            devices: state.flowtable.devices.iter().map(|device| device.to_string()).collect(),
            offloaded: stats.offloaded,
            now: stats.entries,
            packets: stats.packets,
            bytes: stats.bytes,
            torn_down: stats.torn_down,
            expired: stats.expired,
        });
    }
}

fn chain(tally: &Tally, table: &TableState, state: &ChainState) -> Chain {
    let base = state.chain.base.as_ref();
    let count = tally.policy(ChainId { table: table.id, chain: state.id });
    Chain {
        family: table.table.id.family.name(),
        table: table.table.id.name.to_string(),
        chain: state.chain.name.to_string(),
        kind: base.map(|base| base.kind.name()),
        hook: base.map(|base| base.hook.name()),
        priority: base.map(|base| base.priority.0),
        policy: base.and_then(|base| base.policy).map(|policy| policy.name()),
        policy_packets: base.map(|_| count.packets),
        policy_bytes: base.map(|_| count.bytes),
        devices: base.map_or(&[][..], |base| &base.devices).iter().map(|device| device.to_string()).collect(),
    }
}

fn rule(from: From<'_>, table: &TableState, chain: &ChainState, state: &RuleState) -> Rule {
    let count = from.tally.rule(table.id, state.handle);
    let (file, line) = from.places.get(&(table.id, state.handle)).cloned().unzip();
    Rule {
        family: table.table.id.family.name(),
        table: table.table.id.name.to_string(),
        chain: chain.chain.name.to_string(),
        handle: state.handle.0,
        rule: listing::rule(from.engine, from.names, table, state, false),
        file,
        line,
        packets: count.packets,
        bytes: count.bytes,
    }
}
