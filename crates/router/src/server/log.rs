//! Packets that `log group N` tells of, for who listens to the group (`net/netfilter/nfnetlink_log.c`).
//!
//! A group has one listener. Packets are gathered for it until there are so many, or so many bytes, or until its time is up.

use std::time::Duration;

use ironweir_netlink::nflog::{Config, CopyMode, Packet, command, flag, message};
use ironweir_netlink::{GenMsg, Header, Message, answer, kind, subsystem};
use ironweir_ruleset::store::Errno;
use ironweir_wire::Instant;

use super::{ClientId, Refused, Server};
use crate::watch::{Logged, Wanted};

/// The most bytes of a packet (`NFULNL_COPY_RANGE_MAX`).
const MOST_RANGE: u32 = 0xffff - 4;
/// Bytes that are gathered, if nothing is said (`NFULNL_NLBUFSIZ_DEFAULT`).
const BUFFER: u32 = 3776;
/// The most bytes that are gathered (`nfulnl_set_nlbufsiz`).
const MOST_BUFFER: u32 = 131_072;
/// Packets that are gathered (`NFULNL_QTHRESH_DEFAULT`).
const THRESHOLD: u32 = 100;
/// Hundredths of a second for which they are (`NFULNL_TIMEOUT_DEFAULT`).
const TIMEOUT: u32 = 100;
/// `NF_INET_FORWARD`: the last hook at which the time of its arrival is told.
const FORWARD: u8 = 2;
/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

/// Who listens to a group, and what was gathered for it.
#[derive(Debug)]
pub(super) struct Group {
    client: ClientId,
    mode: CopyMode,
    range: u32,
    buffer: u32,
    timeout: u32,
    threshold: u32,
    flags: u16,
    seq: u32,
    gathered: Vec<u8>,
    count: u32,
    due: Option<Instant>,
}

impl Group {
    fn new(client: ClientId) -> Group {
        Group {
            client,
            mode: CopyMode::Packet,
            range: MOST_RANGE,
            buffer: BUFFER,
            timeout: TIMEOUT,
            threshold: THRESHOLD,
            flags: 0,
            seq: 0,
            gathered: Vec::new(),
            count: 0,
            due: None,
        }
    }

    fn wanted(&self) -> Wanted {
        let bytes = if self.mode == CopyMode::Packet { self.range as usize } else { 0 };
        Wanted { bytes, connection: self.flags & flag::CONNTRACK != 0 }
    }

    fn set(&mut self, config: &Config) -> Result<(), Refused> {
        if let Some((range, mode)) = config.mode {
            self.mode = CopyMode::from_number(mode).ok_or(Errno::EINVAL)?;
            self.range = if range == 0 { MOST_RANGE } else { range.min(MOST_RANGE) };
        }
        self.timeout = config.timeout.unwrap_or(self.timeout);
        self.buffer = config.buffer.map_or(self.buffer, |buffer| buffer.min(MOST_BUFFER));
        self.threshold = config.threshold.unwrap_or(self.threshold);
        self.flags = config.flags.unwrap_or(self.flags);
        Ok(())
    }
}

impl Server {
    /// A request of nfnetlink_log (`nfulnl_recv_config`).
    pub(super) fn ulog(&mut self, id: ClientId, request: &Message<'_>) -> Result<(), Refused> {
        let (genmsg, attributes) = request.nfgen()?;
        let number = genmsg.res_id;
        if request.header.message() != message::CONFIG {
            // Nobody but us tells of packets.
            return Err(Errno::EOPNOTSUPP.into());
        }
        let config = Config::decode(attributes)?;
        if let Some(command::PF_BIND | command::PF_UNBIND) = config.command {
            return Ok(());
        }
        let held = self.logs.get(&number);
        if held.is_some_and(|group| group.client != id) {
            return Err(Errno::EPERM.into());
        }
        match config.command {
            Some(command::BIND) if held.is_some() => return Err(Errno::EBUSY.into()),
            Some(command::BIND) => {
                self.logs.insert(number, Group::new(id));
            }
            Some(command::UNBIND) if held.is_some() => {
                self.flush(number);
                self.logs.remove(&number);
                self.watch.set_group(number, None);
                return Ok(());
            }
            Some(command::UNBIND) => return Err(Errno::ENODEV.into()),
            Some(_) => return Err(Errno::ENOTSUPP.into()),
            None => {}
        }
        let group = self.logs.get_mut(&number).ok_or(Errno::ENODEV)?;
        let set = group.set(&config);
        self.watch.set_group(number, Some(group.wanted()));
        set
    }

    /// Gathers a packet for who listens to its group (`nfulnl_log_packet`).
    pub(super) fn gather(&mut self, logged: &Logged, now: Instant) {
        let Some(group) = self.logs.get_mut(&logged.group) else { return };
        let seq = (group.flags & flag::SEQ != 0).then_some(group.seq);
        let seq_global = (group.flags & flag::SEQ_GLOBAL != 0).then_some(self.log_seq);
        group.seq = group.seq.wrapping_add(u32::from(seq.is_some()));
        self.log_seq = self.log_seq.wrapping_add(u32::from(seq_global.is_some()));
        let [indev, outdev] = logged.devices.map(|index| Some(index).filter(|index| *index != 0));
        let packet = Packet {
            protocol: logged.protocol,
            hook: logged.hook,
            prefix: logged.prefix.as_deref().unwrap_or_default(),
            indev,
            outdev,
            mark: logged.mark,
            hw_address: logged.hw_address,
            hw_header: (!logged.link.is_empty()).then_some((ETHERNET, &logged.link[..])),
            timestamp: (logged.hook <= FORWARD).then(|| super::timestamp(logged.at)),
            seq,
            seq_global,
            connection: logged.connection.clone(),
            payload: (!logged.payload.is_empty()).then_some(&logged.payload[..]),
        };
        let header = Header { kind: kind_of(message::PACKET), ..Header::default() };
        let genmsg = GenMsg { family: logged.family, version: 0, res_id: logged.group };
        let mut bytes = Vec::new();
        if answer(&mut bytes, header, genmsg, |writer| packet.encode(writer)).is_err() {
            return;
        }
        let full = !group.gathered.is_empty() && group.gathered.len() + bytes.len() > group.buffer as usize;
        if full {
            self.flush(logged.group);
        }
        let Some(group) = self.logs.get_mut(&logged.group) else { return };
        group.gathered.extend_from_slice(&bytes);
        group.count += 1;
        let threshold = logged.threshold.filter(|rule| *rule != 0).map_or(u32::MAX, u32::from);
        if group.count >= group.threshold.min(threshold) {
            return self.flush(logged.group);
        }
        let wait = Duration::from_millis(u64::from(group.timeout) * 10);
        group.due.get_or_insert(now + wait);
    }

    /// Sends what was gathered for a group (`__nfulnl_send`).
    fn flush(&mut self, number: u16) {
        let Some(group) = self.logs.get_mut(&number) else { return };
        let (mut bytes, count) = (std::mem::take(&mut group.gathered), std::mem::take(&mut group.count));
        group.due = None;
        if count == 0 {
            return;
        }
        if count > 1 {
            let done = Header { kind: kind::DONE, ..Header::default() };
            let genmsg = GenMsg { res_id: number, ..GenMsg::default() };
            let _ = answer(&mut bytes, done, genmsg, |_| {});
        }
        if let Some(client) = self.clients.get_mut(&group.client) {
            client.output.event(&bytes);
        }
    }

    /// Sends what was gathered long enough.
    pub(super) fn flush_due(&mut self, now: Instant) {
        let due = |group: &Group| group.due.is_some_and(|due| due <= now);
        let numbers: Vec<u16> =
            self.logs.iter().filter(|(_, group)| due(group)).map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.flush(number));
    }

    /// When something that was gathered is to be sent.
    pub fn deadline(&self) -> Option<Instant> {
        self.logs.values().filter_map(|group| group.due).min()
    }

    /// Packets of a group were lost before they came here.
    pub(super) fn lose_logs(&mut self, number: u16) {
        let Some(group) = self.logs.get(&number) else { return };
        if let Some(client) = self.clients.get_mut(&group.client) {
            client.output.lose();
        }
    }

    /// A client went, and nobody listens to its groups any more.
    pub(super) fn leave_logs(&mut self, id: ClientId) {
        let watch = &self.watch;
        self.logs.retain(|number, group| {
            let stays = group.client != id;
            if !stays {
                watch.set_group(*number, None);
            }
            stays
        });
    }
}

const fn kind_of(message: u8) -> u16 {
    (subsystem::ULOG as u16) << 8 | message as u16
}
