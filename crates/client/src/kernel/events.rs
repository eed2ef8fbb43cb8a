//! Events: what the kernel tells of changes of its ruleset, and of packets that are traced.

use std::time::Duration;

use ironweir_io::{Endpoint, NetlinkError, NetlinkSocket};
use ironweir_netlink::{Messages, subsystem};
use ironweir_ruleset::netlink::Event;

use crate::connection::AskError;

/// `NFNLGRP_NFTABLES` of `linux/netfilter/nfnetlink.h`.
const NFTABLES: u32 = 7;
/// `NFNLGRP_NFTRACE`.
const NFTRACE: u32 = 9;

/// Bytes of room for events that wait: nft asks for 16 MiB (`NFT_NLMSG_MAXSIZE`, `netlink_set_rcvbuffer`).
const ROOM: usize = 16 << 20;

/// A socket on which events are heard.
#[derive(Debug)]
pub struct Events {
    socket: NetlinkSocket,
}

impl Events {
    /// Listens to the kernel: [`Events::open_at`].
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open(trace: bool) -> Result<Events, NetlinkError> {
        Events::open_at(&Endpoint::Kernel, trace)
    }

    /// Listens to changes, and with `trace` to traces as well. What happens from now on is told.
    ///
    /// # Errors
    /// [`NetlinkError::Open`], [`NetlinkError::Join`].
    pub fn open_at(endpoint: &Endpoint, trace: bool) -> Result<Events, NetlinkError> {
        let mut socket = NetlinkSocket::open_at(endpoint)?;
        socket.make_receive_room(ROOM);
        socket.join(NFTABLES)?;
        if trace {
            socket.join(NFTRACE)?;
        }
        Ok(Events { socket })
    }

    /// Waits for events, at most so long, and hands over those of one datagram. Tells whether there were any.
    ///
    /// # Errors
    /// [`NetlinkError::Lost`] in [`AskError::Socket`]: the room was full and events are gone. Listening goes on.
    pub fn next(&mut self, timeout: Option<Duration>, mut each: impl FnMut(Event)) -> Result<bool, AskError> {
        let Some(datagram) = self.socket.receive_within(timeout)? else { return Ok(false) };
        for message in Messages::new(datagram) {
            let message = message?;
            if message.header.kind >> 8 == u16::from(subsystem::NFTABLES) {
                each(Event::decode(&message)?);
            }
        }
        Ok(true)
    }
}
