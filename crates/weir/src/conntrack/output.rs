//! In which form connections are written, and where to.

use std::io::{self, Write};

use ironweir_client::conntrack::EventKind;
use ironweir_netlink::ctnetlink::{Expectation, Flow};

use super::clock::Clock;
use super::error::Usage;
use super::labels::LabelMap;
use super::options::Table;
use super::parse::by_beginning;
use super::{expectation, json, save, text, xml};

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Output {
    pub xml: bool,
    pub extended: bool,
    pub timestamp: bool,
    pub id: bool,
    pub ktimestamp: bool,
    pub labels: bool,
    pub userspace: bool,
    pub save: bool,
    /// Ours: a JSON object on each line.
    pub json: bool,
}

const WORDS: [(&str, u8); 9] = [
    ("xml", 0),
    ("extended", 1),
    ("timestamp", 2),
    ("id", 3),
    ("ktimestamp", 4),
    ("labels", 5),
    ("userspace", 6),
    ("save", 7),
    ("json", 8),
];

impl Output {
    /// Adds a word of the list.
    pub fn add(&mut self, word: &str) -> Result<(), Usage> {
        let place = match by_beginning(&WORDS, word)? {
            0 => &mut self.xml,
            1 => &mut self.extended,
            2 => &mut self.timestamp,
            3 => &mut self.id,
            4 => &mut self.ktimestamp,
            5 => &mut self.labels,
            6 => &mut self.userspace,
            7 => &mut self.save,
            _ => &mut self.json,
        };
        *place = true;
        Ok(())
    }

    /// Whether `save` stands beside another.
    pub fn save_is_not_alone(self) -> bool {
        self.save && self != Output { save: true, ..Output::default() }
    }
}

/// An event, as far as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// What.
    pub kind: EventKind,
    /// Whose request caused it; 0: none.
    pub port: u32,
}

/// Writes connections and expectations to standard output.
pub struct Printer {
    output: Output,
    table: Table,
    labels: LabelMap,
    clock: Clock,
    buffer: String,
    stdout: io::Stdout,
    begun: bool,
    /// What `save` says was done to a connection, where no event says it.
    done: Option<EventKind>,
}

/// Bytes that are gathered before they are written, while nobody waits for them.
const ENOUGH: usize = 1 << 16;

impl Printer {
    /// For a table, in a form. `done` is what was done to the connections that are shown.
    pub fn new(output: Output, table: Table, labels: LabelMap, done: Option<EventKind>) -> Printer {
        Printer {
            output,
            table,
            labels,
            clock: Clock::system(),
            buffer: String::new(),
            stdout: io::stdout(),
            begun: false,
            done,
        }
    }

    /// Writes a connection on a line of its own.
    pub fn flow(&mut self, family: u8, flow: &Flow, event: Option<Happened>) -> io::Result<()> {
        self.begin();
        let output = self.output;
        if output.timestamp && event.is_some() && !output.xml && !output.json {
            self.clock.put_now(&mut self.buffer);
        }
        let buffer = &mut self.buffer;
        if output.json {
            json::flow(buffer, family, flow, event, &self.labels, &self.clock);
        } else if output.xml {
            xml::flow(buffer, output, family, flow, event, &self.labels, &self.clock);
        } else if output.save {
            save::flow(buffer, flow, event.map(|event| event.kind).or(self.done));
        } else {
            text::flow(
                buffer,
                output,
                family,
                flow,
                event.map(|event| event.kind),
                &self.labels,
                &self.clock,
            );
        }
        self.end(event)
    }

    /// Writes an expectation on a line of its own.
    pub fn expectation(&mut self, family: u8, of: &Expectation, event: Option<Happened>) -> io::Result<()> {
        self.begin();
        let output = self.output;
        let kind = event.map(|event| event.kind);
        if output.json {
            json::expectation(&mut self.buffer, family, of, event, &self.clock);
        } else if output.xml {
            expectation::xml(&mut self.buffer, family, of, kind);
        } else {
            if output.timestamp {
                self.clock.put_now(&mut self.buffer);
            }
            expectation::text(&mut self.buffer, of, kind);
        }
        self.end(event)
    }

    fn begin(&mut self) {
        if self.output.xml && !self.begun {
            self.buffer.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
            self.buffer.push_str(if self.table == Table::Expect { "<expect>\n" } else { "<conntrack>\n" });
        }
        self.begun = true;
    }

    fn end(&mut self, event: Option<Happened>) -> io::Result<()> {
        if let Some(Happened { port, .. }) = event
            && port != 0
            && !self.output.json
            && self.table != Table::Expect
        {
            self.buffer.push_str(" [USERSPACE] portid=");
            text::number(&mut self.buffer, port.into());
            // A process binds its first socket to its own number.
            if let Ok(name) = std::fs::read_to_string(format!("/proc/{port}/comm")) {
                self.buffer.push_str(" progname=");
                self.buffer.push_str(name.trim_end());
            }
        }
        self.buffer.push('\n');
        if self.buffer.len() >= ENOUGH { self.write() } else { Ok(()) }
    }

    /// Writes what is gathered: whoever watches events wants them at once.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.write() }
    }

    /// Ends the output.
    ///
    /// DIVERGES: conntrack leaves the document of `-G` open, and writes elements without one for `-D` and `-U`.
    pub fn finish(mut self) -> io::Result<()> {
        if self.output.xml && self.begun {
            self.buffer.push_str(if self.table == Table::Expect { "</expect>\n" } else { "</conntrack>\n" });
        }
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let mut out = self.stdout.lock();
        out.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        out.flush()
    }
}
