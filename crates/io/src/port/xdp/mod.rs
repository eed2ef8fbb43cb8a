//! An interface through `AF_XDP`: frames that a program at its XDP hook gives to sockets of ours, one for each queue,
//! through memory that is shared with the kernel.
//!
//! ```text
//! queue ─► XDP program ─► XSKMAP[queue] ─► receive ring ─► Port::receive
//!                                └ no socket: on to the kernel's own stack
//! ```
//!
//! The program is held by a [`Link`], so it goes when this process does. It is replaced by [`Link::update`]: one that does
//! more gives to the same [`Map`] what it leaves to us.
//!
//! What there is to know: without zero copy, which only drivers of real cards have, a hop through here costs more than
//! through the kernel, and is chosen for its rings rather than its copies. VLAN tags that a card takes off are not seen.
//! Frames longer than a chunk are not received: in generic mode a card's GRO must be off. Checksums that senders on the same
//! machine left undone are found as [`partial`] says.

pub mod partial;
mod ring;
mod socket;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll;

use super::bell::Bell;
use super::{Offloads, Port, PortStatistics};
use crate::bpf::{Instruction, Link, LoadError, Map, MapKind, Mode, Program};
use crate::links;
use socket::Socket;

/// Queues of an interface that are served.
pub const MAX_QUEUES: u32 = 64;

/// How frames come into shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copying {
    /// As the driver can.
    #[default]
    Automatic,
    /// The kernel copies.
    Copy,
    /// The card writes there itself; refused where it cannot.
    ZeroCopy,
}

/// Whether checksums that nobody says are undone are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partial {
    /// On veth.
    #[default]
    Automatic,
    /// Always.
    Yes,
    /// Never.
    No,
}

/// What can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpOptions {
    /// Where the program is; native if the driver can, else generic, if it is not said.
    pub mode: Option<Mode>,
    /// How frames come into shared memory.
    pub copying: Copying,
    /// Whether checksums are completed that seem undone.
    pub partial: Partial,
}

impl XdpOptions {
    /// Bytes of a chunk: a page, which holds a frame of 3840 bytes with the kernel's headroom.
    fn chunk(self) -> usize {
        4096
    }
}

/// Why an interface is not to be had through `AF_XDP`.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// No such interface, no privilege.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The program is not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The program is not at the interface.
    #[error("no XDP program can be attached: {0}")]
    Attach(io::Error),
    /// A queue has no socket.
    #[error("queue {queue}: {error}")]
    Queue {
        /// Which.
        queue: u32,
        /// Why.
        error: io::Error,
    },
}

impl From<XdpError> for io::Error {
    fn from(error: XdpError) -> io::Error {
        let kind = match &error {
            XdpError::System(error)
            | XdpError::Attach(error)
            | XdpError::Queue { error, .. }
            | XdpError::Load(LoadError::System(error)) => error.kind(),
            XdpError::Load(LoadError::Refused { .. }) => io::ErrorKind::Unsupported,
        };
        io::Error::new(kind, error)
    }
}

/// An interface's frames, both ways.
#[derive(Debug)]
pub struct XdpPort {
    sockets: Vec<Socket>,
    /// The one whose turn it is.
    next: usize,
    /// Of the sockets and the bell.
    ready: OwnedFd,
    bell: Bell,
    map: Arc<Map>,
    link: Arc<Link>,
    mode: Mode,
    partial: bool,
    statistics: PortStatistics,
}

impl XdpPort {
    /// Takes an interface of this thread's namespace, all its queues.
    ///
    /// # Errors
    /// [`XdpError`]. `CAP_NET_ADMIN`, `CAP_NET_RAW` and `CAP_BPF` are needed.
    pub fn open(interface: &str, options: XdpOptions) -> Result<XdpPort, XdpError> {
        let index = links::index(interface)?;
        let queues = links::receive_queues(interface).unwrap_or(1).clamp(1, MAX_QUEUES);
        let map = Map::new(MapKind::XskMap, "weir_sockets", 4, 4, queues, 0)?;
        let program = Program::load("weir_port", &to_sockets(&map))?;
        let (link, mode) = attach(&program, index, options.mode).map_err(XdpError::Attach)?;
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let bell = Bell::new()?;
        let mut sockets = Vec::new();
        for queue in 0..queues {
            let wrong = |error| XdpError::Queue { queue, error };
            let socket = Socket::open(index, queue, options).map_err(wrong)?;
            map.update(&queue.to_ne_bytes(), &socket.as_fd().as_raw_fd().to_ne_bytes()).map_err(wrong)?;
            add(&ready, &socket)?;
            sockets.push(socket);
        }
        add(&ready, &bell)?;
        let partial = match options.partial {
            Partial::Yes => true,
            Partial::No => false,
            Partial::Automatic => links::driver(interface).is_ok_and(|driver| driver == "veth"),
        };
        let (map, link) = (Arc::new(map), Arc::new(link));
        let statistics = PortStatistics::default();
        Ok(XdpPort { sockets, next: 0, ready, bell, map, link, mode, partial, statistics })
    }

    /// The sockets by queue: where a program leaves to us what it does not do itself.
    pub fn sockets(&self) -> Arc<Map> {
        Arc::clone(&self.map)
    }

    /// What holds the program at the interface.
    pub fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// Where the program is.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl Port for XdpPort {
    fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Option<(Offloads, &'b mut [u8])>> {
        let mut without = 0;
        while without < self.sockets.len() {
            let Some(socket) = self.sockets.get_mut(self.next) else {
                self.next = 0;
                continue;
            };
            match socket.receive(buffer) {
                None => {
                    without += 1;
                    self.next += 1;
                }
                Some(0) => self.statistics.receive_dropped += 1,
                Some(len) => {
                    // The next vector is another queue's.
                    if !socket.has_more() {
                        self.next += 1;
                    }
                    self.statistics.count_received(len);
                    let Some(frame) = buffer.get_mut(..len) else { return Ok(None) };
                    let offloads = if self.partial { partial::guess(frame) } else { Offloads::default() };
                    return Ok(Some((offloads, frame)));
                }
            }
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        // One queue for all: the order of a flow's packets is kept, and one thread sends.
        if self.sockets.first_mut().is_some_and(|socket| socket.send(frame)) {
            self.statistics.count_sent(frame.len());
            return Ok(());
        }
        self.statistics.send_dropped += 1;
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        for socket in &mut self.sockets {
            socket.flush();
        }
        self.bell.set(self.sockets.iter().any(Socket::has_more));
        Ok(())
    }

    fn statistics(&self) -> PortStatistics {
        let lost: u64 = self.sockets.iter().map(|socket| socket.statistics().lost()).sum();
        PortStatistics { receive_dropped: self.statistics.receive_dropped + lost, ..self.statistics }
    }
}

impl AsFd for XdpPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

fn add(ready: &OwnedFd, fd: impl AsFd) -> io::Result<()> {
    Ok(epoll::add(ready, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?)
}

/// Native where the driver can, unless one is asked for.
fn attach(program: &Program, index: u32, mode: Option<Mode>) -> io::Result<(Link, Mode)> {
    match mode {
        Some(mode) => Ok((Link::attach(program, index, mode)?, mode)),
        None => match Link::attach(program, index, Mode::Native) {
            Ok(link) => Ok((link, Mode::Native)),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(error),
            Err(_) => Ok((Link::attach(program, index, Mode::Generic)?, Mode::Generic)),
        },
    }
}

/// `return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS)`.
fn to_sockets(map: &Map) -> Vec<Instruction> {
    /// Offset of `rx_queue_index` in `struct xdp_md`.
    const RX_QUEUE_INDEX: i16 = 16;
    const XDP_PASS: i32 = 2;
    /// `BPF_FUNC_redirect_map`.
    const REDIRECT_MAP: i32 = 51;
    let [map0, map1] = Instruction::map(1, map);
    vec![
        Instruction::new(0x61, 2, 1, RX_QUEUE_INDEX, 0),
        map0,
        map1,
        Instruction::new(0xb7, 3, 0, 0, XDP_PASS),
        Instruction::new(0x85, 0, 0, 0, REDIRECT_MAP),
        Instruction::new(0x95, 0, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkNamespace;
    use crate::port::PacketPort;
    use crate::port::tests::next;
    use std::process::Command;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn ip(namespace: &NetworkNamespace, words: &str) -> bool {
        let run = || Command::new("ip").args(words.split_whitespace()).status();
        namespace.inside(run).is_ok_and(|status| status.success())
    }

    /// A namespace with a veth pair, both ends up. `None`: not to be had here.
    fn pair() -> Option<NetworkNamespace> {
        if crate::bpf::unavailable().is_some() {
            return None;
        }
        let namespace = NetworkNamespace::new().unwrap();
        let made = ip(&namespace, "link add name va type veth peer name vb")
            && ip(&namespace, "link set va up")
            && ip(&namespace, "link set vb up");
        if !made {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip");
            eprintln!("SKIPPED: no veth, or no ip");
        }
        made.then_some(namespace)
    }

    /// The next frame that is for `for_us`; the kernel's own come in between.
    fn wait(port: &mut dyn Port, for_us: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let begun = Instant::now();
        loop {
            if let Some(frame) = next(port)
                && for_us(&frame)
            {
                return frame;
            }
            port.flush().unwrap();
            assert!(begun.elapsed() < PATIENCE, "it comes");
        }
    }

    fn frame(number: u16, len: usize) -> Vec<u8> {
        let mut frame = vec![0xff; 12];
        // A protocol for experiments (IEEE 802, local).
        frame.extend([0x88, 0xb5]);
        frame.extend(number.to_be_bytes());
        frame.resize(len, 7);
        frame
    }

    #[test]
    fn frames_come_and_go_through_the_rings_in_both_modes() {
        for mode in [Mode::Native, Mode::Generic] {
            let Some(namespace) = pair() else { return };
            let options = XdpOptions { mode: Some(mode), ..XdpOptions::default() };
            let (mut port, mut other) =
                namespace.inside(|| Ok((XdpPort::open("va", options)?, PacketPort::open("vb")?))).unwrap();
            assert_eq!(port.mode(), mode);
            let ours = |frame: &[u8]| frame.get(12..14) == Some(&[0x88, 0xb5]);
            // More than a ring has, so that chunks go round.
            for round in 0..40_u16 {
                for number in 0..100 {
                    other.send(&frame(round * 100 + number, 60 + usize::from(number))).unwrap();
                }
                other.flush().unwrap();
                for number in 0..100 {
                    let expected = frame(round * 100 + number, 60 + usize::from(number));
                    assert_eq!(wait(&mut port, ours), expected);
                    port.send(&expected).unwrap();
                }
                port.flush().unwrap();
                for number in 0..100 {
                    let expected = frame(round * 100 + number, 60 + usize::from(number));
                    assert_eq!(wait(&mut other, ours), expected);
                }
            }
            let counted = port.statistics();
            assert_eq!((counted.sent, counted.send_dropped), (4000, 0));
            assert!(counted.received >= 4000, "{counted:?}");
            assert_eq!(counted.receive_dropped, 0);
            assert!(port.send(&vec![0; 4000]).is_err(), "longer than a chunk");
        }
    }

    #[test]
    fn who_is_not_taken_from_is_counted_and_harms_nobody() {
        let Some(namespace) = pair() else { return };
        let (mut port, mut other) = namespace
            .inside(|| Ok((XdpPort::open("va", XdpOptions::default())?, PacketPort::open("vb")?)))
            .unwrap();
        for number in 0..5000 {
            other.send(&frame(number, 100)).unwrap();
        }
        other.flush().unwrap();
        let sent = other.statistics().sent;
        let begun = Instant::now();
        let mut came = 0;
        while came + port.statistics().receive_dropped < sent {
            came += u64::from(next(&mut port).is_some_and(|frame| frame[12..14] == [0x88, 0xb5]));
            assert!(begun.elapsed() < PATIENCE, "{:?}", port.statistics());
        }
        assert!(port.statistics().receive_dropped > 0);
        while next(&mut port).is_some() {}
        port.flush().unwrap();
        other.send(&frame(1, 60)).unwrap();
        other.flush().unwrap();
        assert_eq!(wait(&mut port, |frame| frame[12..14] == [0x88, 0xb5]), frame(1, 60));
    }

    #[test]
    fn a_second_port_on_an_interface_is_refused_and_the_first_leaves_nothing() {
        let Some(namespace) = pair() else { return };
        namespace
            .inside(|| {
                let port = XdpPort::open("va", XdpOptions::default())?;
                assert!(matches!(XdpPort::open("va", XdpOptions::default()), Err(XdpError::Attach(_))));
                assert!(XdpPort::open("none", XdpOptions::default()).is_err());
                drop(port);
                // The socket's end is worked on a little later.
                let begun = Instant::now();
                while XdpPort::open("va", XdpOptions::default()).is_err() {
                    assert!(begun.elapsed() < PATIENCE);
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_checksum_that_the_other_end_left_undone_is_found() {
        let Some(namespace) = pair() else { return };
        assert!(ip(&namespace, "addr add 10.0.0.2/24 dev vb"));
        assert!(ip(&namespace, "neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev vb"));
        let mut port = namespace.inside(|| Ok(XdpPort::open("va", XdpOptions::default())?)).unwrap();
        namespace
            .inside(|| {
                let socket = std::net::UdpSocket::bind("10.0.0.2:0")?;
                socket.send_to(b"hello", "10.0.0.1:7")?;
                Ok(())
            })
            .unwrap();
        let begun = Instant::now();
        let mut buffer = vec![0; crate::port::MAX_FRAME];
        let offloads = loop {
            match port.receive(&mut buffer).unwrap() {
                Some((offloads, frame)) if frame[12..14] == [8, 0] && frame[23] == 17 => break offloads,
                _ => assert!(begun.elapsed() < PATIENCE),
            }
        };
        assert_eq!(offloads.checksum, Some((34, 6)), "veth leaves it to its card");
    }
}
