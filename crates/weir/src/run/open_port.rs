//! A port as configured becomes one that frames go through.

use std::io;
use std::sync::Arc;

use ironweir_io::bpf::{Link, Map};
use ironweir_io::port::{
    CapturePort, DatagramPort, FaultyPort, LimitedPort, PacketPort, Port, Recorder, StreamPort, TunPort,
    XdpPort,
};

use super::port_config::{End, PortConfig, PortKind};

/// What [`open`] gives.
pub(super) type Opened = (Box<dyn Port>, Option<(Arc<Map>, Arc<Link>)>);

/// Opens a port, whose interface has this Ethernet address. The recorder is next to the wire: it sees what was there before
/// faults and limits, and what was left behind them.
///
/// With it comes what the XDP program at its interface is held by and gives frames to, if it has one.
pub(super) fn open(config: &PortConfig, mac: [u8; 6]) -> io::Result<Opened> {
    let mut held = None;
    let mut port: Box<dyn Port> = match &config.kind {
        PortKind::Packet { device } => Box::new(PacketPort::open(device)?),
        PortKind::Xdp { device, options } => {
            let port = XdpPort::open(device, *options)?;
            held = Some((port.sockets(), port.link()));
            Box::new(port)
        }
        PortKind::Tap { device } => Box::new(TunPort::tap(device)?),
        PortKind::Tun { device } => Box::new(TunPort::tun(device, mac)?),
        PortKind::Stream { end: End::Listens(mode), path } => Box::new(StreamPort::listen(path, *mode)?),
        PortKind::Stream { end: End::Connects, path } => Box::new(StreamPort::connect(path)?),
        PortKind::Datagram { path, mode, peer } => {
            Box::new(DatagramPort::open(path, *mode, peer.as_deref())?)
        }
        PortKind::Capture { read, write, paced } => {
            Box::new(CapturePort::open(read.as_deref(), write.as_deref(), *paced)?)
        }
    };
    let wrappers = &config.wrappers;
    if let Some((path, limit)) = &wrappers.record {
        port = Box::new(Recorder::new(port, &config.name, path, *limit)?);
    }
    if let Some(faults) = wrappers.faults {
        port = Box::new(FaultyPort::new(port, faults));
    }
    if let Some(rate) = wrappers.rate {
        port = Box::new(LimitedPort::new(port, rate));
    }
    Ok((port, held))
}
