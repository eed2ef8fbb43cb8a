//! Packets per second of every example, from memory.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use ironweir::replay::options::parse;
use ironweir::replay::{Prepared, prepare};
use ironweir_io::capture::{Frame, LinkNumber};
use ironweir_wire::IfIndex;

use crate::rounds::Rounds;

struct Kept {
    time: ironweir_wire::Instant,
    iif: IfIndex,
    link: LinkNumber,
    bytes: Vec<u8>,
}

/// Prints a row for each directory of `examples`.
pub fn print(time: Duration) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut names: Vec<String> = std::fs::read_dir(&root)
        .map(|entries| {
            let with_rules = |entry: &std::fs::DirEntry| entry.path().join("rules.nft").is_file();
            let entries = entries.flatten().filter(with_rules);
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    println!("{:24} {:>8} {:>12} {:>10} {:>10}", "example", "packets", "packets/s", "ns/packet", "fastest");
    for name in names {
        match row(&root.join(&name), time) {
            Ok((packets, rounds)) => {
                let (median, best) = (rounds.median(), rounds.best());
                println!("{name:24} {packets:>8} {:>12.0} {median:>10.0} {best:>10.0}", 1e9 / median);
            }
            Err(error) => println!("{name:24} {error}"),
        }
    }
}

fn row(directory: &Path, time: Duration) -> Result<(usize, Rounds), String> {
    let file = |name: &str| directory.join(name).into_os_string();
    let words = [file("rules.nft"), file("trace.pcapng"), OsString::from("--host"), file("host.toml")];
    let options = parse(&words).map_err(|error| error.to_string())?;
    let mut first = prepare(&options).map_err(|error| error.to_string())?;
    let packets = packets(&mut first, directory)?;
    let mut frame = Frame::default();
    let mut failed = None;
    let rounds = Rounds::run(time, || {
        let mut engine = match prepare(&options) {
            Ok(prepared) => prepared.engine,
            Err(error) => {
                failed = Some(error.to_string());
                return (1, Duration::ZERO);
            }
        };
        let begin = Instant::now();
        for kept in &packets {
            frame.set(kept.link, &kept.bytes);
            let mut packet = frame.packet();
            packet.meta.iif = kept.iif;
            std::hint::black_box(engine.process(kept.time, &mut packet, &mut ()));
            while engine.poll_output().is_some() {}
        }
        (packets.len() as u64, begin.elapsed())
    });
    match failed {
        Some(error) => Err(error),
        None => Ok((packets.len(), rounds)),
    }
}

/// The packets of the example's capture with the interfaces they came by.
fn packets(prepared: &mut Prepared, directory: &Path) -> Result<Vec<Kept>, String> {
    let path = directory.join("trace.pcapng");
    let mut capture = ironweir_io::Capture::open(&path).map_err(|error| error.to_string())?;
    let mut frame = Frame::default();
    let mut kept = Vec::new();
    while capture.read(&mut frame).map_err(|error| error.to_string())? {
        let Prepared { engine, interfaces, .. } = prepared;
        let iif = interfaces.arrival(engine, &path, &capture, &frame).map_err(|error| error.to_string())?;
        let (time, link, bytes) = (frame.time, frame.link(), frame.bytes().to_vec());
        kept.push(Kept { time, iif, link, bytes });
    }
    Ok(kept)
}
