//! The difference to read: nft's listing with `+` before what comes and `-` before what goes, each in its table, chain or
//! set; of what stays only as much as tells where that is.

use std::fmt::Write as _;

use ironweir_ruleset::Element;
use ironweir_ruleset::store::{SetState, TableState};

use super::Sides;
use super::plan::{self, ChainPlan, Fate, Part, SetPlan, Step, TablePlan};
use super::sequence;
use crate::list::Lister;

/// How many rules that stay are shown before and behind one that does not.
const CONTEXT: usize = 2;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// It is on both sides, and tells where others are.
    Context,
    /// It goes.
    Gone,
    /// It comes.
    New,
}

impl Sign {
    /// What stands before the line.
    pub const fn char(self) -> char {
        match self {
            Sign::Context => ' ',
            Sign::Gone => '-',
            Sign::New => '+',
        }
    }

    fn of(fate: Fate) -> Sign {
        match fate {
            Fate::New => Sign::New,
            Fate::Gone => Sign::Gone,
            _ => Sign::Context,
        }
    }
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What becomes of it.
    pub sign: Sign,
    /// As a listing has it, without the line's end.
    pub text: Box<str>,
}

/// A difference as lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The lines in order.
    pub lines: Vec<Line>,
}

/// Green and red as terminals know them (ECMA-48, SGR 32 and 31), and what ends them (SGR 0).
const COLOURS: [(Sign, &str); 2] = [(Sign::New, "\x1b[32m"), (Sign::Gone, "\x1b[31m")];
const NO_COLOUR: &str = "\x1b[0m";

impl Text {
    /// As text, in colours for a terminal or without. Bytes that would mean something to a terminal are not among what
    /// nft's language lets names and comments hold but for control characters, which are shown as `\u{1b}` is written.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let colour =
                COLOURS.iter().find(|(sign, _)| colour && *sign == line.sign).map(|(_, colour)| *colour);
            out.push_str(colour.unwrap_or_default());
            out.push(line.sign.char());
            for c in line.text.chars() {
                match c {
                    '\t' => out.push(c),
                    c if c.is_control() => out.extend(c.escape_default()),
                    c => out.push(c),
                }
            }
            if colour.is_some() {
                out.push_str(NO_COLOUR);
            }
            out.push('\n');
        }
        out
    }

    /// How many lines come and go.
    pub fn counts(&self) -> (usize, usize) {
        let count = |sign| self.lines.iter().filter(|line| line.sign == sign).count();
        (count(Sign::New), count(Sign::Gone))
    }

    fn push(&mut self, sign: Sign, text: impl Into<Box<str>>) {
        self.lines.push(Line { sign, text: text.into() });
    }

    fn block(&mut self, sign: Sign, text: &str) {
        text.lines().for_each(|line| self.push(sign, line));
    }

    /// Lines of two short texts: what both have once.
    fn differing(&mut self, old: &str, new: &str) {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let all: Vec<&str> = old.iter().chain(&new).copied().collect();
        let number = |line: &&str| all.iter().position(|other| other == line).unwrap_or_default() as u32;
        let numbers = |lines: &[&str]| lines.iter().map(number).collect::<Vec<u32>>();
        let (mut at, mut next) = (0, 0);
        let ends = (old.len(), new.len());
        for (old_end, new_end) in sequence::common(&numbers(&old), &numbers(&new)).into_iter().chain([ends]) {
            old.get(at..old_end).into_iter().flatten().for_each(|line| self.push(Sign::Gone, *line));
            new.get(next..new_end).into_iter().flatten().for_each(|line| self.push(Sign::New, *line));
            old.get(old_end).into_iter().for_each(|line| self.push(Sign::Context, *line));
            (at, next) = (old_end + 1, new_end + 1);
        }
    }
}

/// Appends the difference in one table; nothing where there is none.
pub(super) fn write(sides: &Sides<'_>, plan: &TablePlan<'_>, out: &mut Text) {
    let writer = Writer {
        old: plan.part.old.map(|table| (plan::lister(sides.current, sides), table)),
        new: plan.part.new.map(|table| (plan::lister(sides.desired, sides), table)),
    };
    let mut blocks: Vec<Text> = Vec::new();
    for object in &plan.objects {
        blocks.push(writer.whole(object, |lister, _, object, out| lister.object_block(object, out)));
    }
    for set in &plan.sets {
        blocks.push(writer.set(set));
    }
    for flowtable in &plan.flowtables {
        blocks.push(
            writer.whole(flowtable, |lister, table, flowtable, out| {
                lister.flowtable_block(table, flowtable, out)
            }),
        );
    }
    for chain in &plan.chains {
        blocks.push(writer.chain(chain));
    }
    blocks.retain(|block| !block.lines.is_empty());
    let sign = Sign::of(plan.part.fate);
    let mut head = writer.both(&plan.part, |lister, _, table, out| {
        lister.table_head(table, out);
    });
    if blocks.is_empty() && head.counts() == (0, 0) {
        return;
    }
    let attributes = head.lines.len() > 1;
    out.lines.append(&mut head.lines);
    for (at, mut block) in blocks.into_iter().enumerate() {
        if at > 0 || attributes {
            out.push(sign, "");
        }
        out.lines.append(&mut block.lines);
    }
    out.push(sign, "}");
}

struct Writer<'a> {
    old: Option<(Lister<'a>, &'a TableState)>,
    new: Option<(Lister<'a>, &'a TableState)>,
}

impl<'a> Writer<'a> {
    /// A thing as both sides write it.
    fn both<T>(
        &self,
        part: &Part<'a, T>,
        write: impl Fn(&Lister<'a>, &'a TableState, &'a T, &mut String),
    ) -> Text {
        let side = |side: &Option<(Lister<'a>, &'a TableState)>, thing: Option<&'a T>| {
            let mut text = String::new();
            if let (Some((lister, table)), Some(thing)) = (side, thing) {
                write(lister, table, thing, &mut text);
            }
            text
        };
        let mut out = Text::default();
        out.differing(&side(&self.old, part.old), &side(&self.new, part.new));
        out
    }

    /// A thing that is written in one piece; nothing where it stays as it is.
    fn whole<T>(
        &self,
        part: &Part<'a, T>,
        write: impl Fn(&Lister<'a>, &'a TableState, &'a T, &mut String),
    ) -> Text {
        let out = self.both(part, write);
        if out.counts() == (0, 0) { Text::default() } else { out }
    }

    fn set(&self, plan: &SetPlan<'a>) -> Text {
        let mut out = self.whole(&plan.part, |lister, table, set, out| {
            lister.set_block_with(table, set, Some(Vec::new()), out);
        });
        let elements = &plan.elements;
        if elements.gone.is_empty() && elements.new.is_empty() {
            return out;
        }
        if out.lines.is_empty() {
            // The set itself stays: only its name tells where the elements are.
            if let Some(set) = plan.part.new {
                let word = if set.set.data.is_some() { "map" } else { "set" };
                out.push(Sign::Context, format!("\t{word} {} {{", set.set.name));
            }
        } else {
            out.lines.pop();
        }
        let sign = Sign::of(plan.part.fate);
        out.push(sign, "\t\telements = {");
        self.elements(&self.old, plan.part.old, &elements.gone, Sign::Gone, &mut out);
        self.elements(&self.new, plan.part.new, &elements.new, Sign::New, &mut out);
        out.push(sign, "\t\t}");
        out.push(sign, "\t}");
        out
    }

    fn elements(
        &self,
        side: &Option<(Lister<'a>, &'a TableState)>,
        set: Option<&'a SetState>,
        elements: &[Element],
        sign: Sign,
        out: &mut Text,
    ) {
        let (Some((lister, table)), Some(set)) = (side, set) else { return };
        lister.each_element(table, &set.set, elements, |text| out.push(sign, format!("\t\t\t{text},")));
    }

    fn chain(&self, plan: &ChainPlan<'a>) -> Text {
        let mut out = self.both(&plan.part, |lister, table, chain, out| {
            lister.chain_declaration(table, chain, out);
        });
        let changed =
            out.counts() != (0, 0) || plan.steps.iter().any(|step| !matches!(step, Step::Keep { .. }));
        if !changed {
            return Text::default();
        }
        self.steps(&plan.steps, &mut out);
        out.push(Sign::of(plan.part.fate), "\t}");
        out
    }

    fn steps(&self, steps: &[Step<'a>], out: &mut Text) {
        let differs: Vec<bool> = steps.iter().map(|step| !matches!(step, Step::Keep { .. })).collect();
        let mut hidden = 0;
        for (at, step) in steps.iter().enumerate() {
            let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(steps.len());
            if !differs.get(around).is_some_and(|around| around.contains(&true)) {
                hidden += 1;
                continue;
            }
            rest(&mut hidden, out);
            let (sign, text) = match step {
                Step::Keep { text, .. } => (Sign::Context, text),
                Step::Gone { text, .. } => (Sign::Gone, text),
                Step::New { text, .. } => (Sign::New, text),
            };
            let shown = text.split(plan::UNREAD).next().unwrap_or_default();
            let mut rule = String::new();
            let _ = write!(rule, "\t\t{shown}");
            out.block(sign, &rule);
        }
        rest(&mut hidden, out);
    }
}

/// Tells of rules that are not shown.
fn rest(hidden: &mut usize, out: &mut Text) {
    match std::mem::take(hidden) {
        0 => {}
        1 => out.push(Sign::Context, "\t\t# 1 rule as it is"),
        count => out.push(Sign::Context, format!("\t\t# {count} rules as they are")),
    }
}
