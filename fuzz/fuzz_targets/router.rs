//! Any bytes as frames that come by two ports of a router, and time that passes: what waits for neighbours is bounded, and
//! a good packet that comes then is forwarded.
#![no_main]

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ironweir_engine::{Engine, Host, Interface, Neighbour};
use ironweir_io::port::{Offloads, Port, PortStatistics};
use ironweir_router::router::Router;
use ironweir_wire::{IfIndex, Instant};
use libfuzzer_sys::fuzz_target;

/// Frames in memory, both ways.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<(VecDeque<Vec<u8>>, Vec<Vec<u8>>)>>);

#[derive(Debug)]
struct MemoryPort(Wire, File);

impl Port for MemoryPort {
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let Some(mut frame) = self.0.0.lock().unwrap().0.pop_front() else { return Ok(None) };
        let Some((offloads, frame)) = Offloads::split(&mut frame) else { return Ok(None) };
        let place = &mut buffer[..frame.len()];
        place.copy_from_slice(frame);
        Ok(Some((offloads, place)))
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.0.lock().unwrap().1.push(frame.to_vec());
        Ok(())
    }

    fn statistics(&self) -> PortStatistics {
        PortStatistics::default()
    }
}

impl AsFd for MemoryPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.1.as_fd()
    }
}

fn host() -> Host {
    let mut host = Host::default();
    for (index, name) in (1..).zip(["lan0", "wan0"]) {
        let mut interface = Interface::new(IfIndex(index), name);
        interface.mac = [2, 0, 0, 0, 0, index as u8];
        let v6 = [0x20, 1, 0xd, 0xb8, 0, index as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        interface.addresses = vec![(IpAddr::from([10, 0, index as u8, 1]), 24), (IpAddr::from(v6), 64)];
        host.add_interface(interface).expect("the first of its name");
    }
    host.live = true;
    host
}

// The input is a row of deeds: one byte (bit 0: by which port; bits 1 to 3: 7 lets time pass), one byte of length, and so many
// bytes of a frame behind its offloads.
fuzz_target!(|bytes: &[u8]| {
    let mut engine = Engine::new(host(), 1);
    let wires = [Wire::default(), Wire::default()];
    let port = |at: usize| -> Box<dyn Port> {
        Box::new(MemoryPort(wires[at].clone(), File::open("/dev/null").expect("there is one")))
    };
    let mut router = Router::new(vec![(IfIndex(1), port(0)), (IfIndex(2), port(1))]);
    let mut now = Instant::from_nanos(1);
    let mut rest = bytes;
    while let Some((&[deed, len], more)) = rest.split_first_chunk() {
        let (frame, behind) = more.split_at(usize::from(len).min(more.len()));
        rest = behind;
        if deed >> 1 & 7 == 7 {
            now = now + Duration::from_millis(u64::from(len) * 100);
        } else {
            wires[usize::from(deed & 1)].0.lock().unwrap().0.push_back(frame.to_vec());
        }
        router.turn(&mut engine, now).expect("no port is broken");
        let _ = router.deadline();
        for wire in &wires {
            let sent = std::mem::take(&mut wire.0.lock().unwrap().1);
            // Each frame makes a few: segments, fragments, errors, what waited for a neighbour.
            assert!(sent.len() < 4096 && sent.iter().all(|frame| frame.len() <= 70 << 10));
        }
    }
    now = now + Duration::from_secs(3600);
    let address = IpAddr::from([10, 0, 2, 9]);
    let neighbour = Neighbour { address, mac: [2, 0, 0, 0, 2, 9], interface: IfIndex(2) };
    engine.advance(now);
    engine.change_host(|host| host.add_neighbour(neighbour).expect("its interface is there"));
    let mut good = vec![0; Offloads::LEN];
    good.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 9, 8, 0]);
    good.extend([0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0x63, 0xbe, 10, 0, 1, 9, 10, 0, 2, 9]);
    good.extend([0xff, 0, 0xff, 1, 0, 9, 0, 0, 7]);
    wires[0].0.lock().unwrap().0.push_back(good);
    router.turn(&mut engine, now).expect("no port is broken");
    let sent = &wires[1].0.lock().unwrap().1;
    assert!(sent.iter().any(|frame| frame.starts_with(&[2, 0, 0, 0, 2, 9]) && frame.ends_with(&[0, 9, 0, 0, 7])));
});
