//! Packets that wait for a client's verdict (`net/netfilter/nfnetlink_queue.c`). They wait in the engine; here is who
//! listens to which queue, and what it is told.

use ironweir_engine::Engine;
use ironweir_engine::queue::{QueueVerdict, Queued};
use ironweir_netlink::nflog::HwAddress;
use ironweir_netlink::nfqueue::{Config, CopyMode, NOT_VERIFIED, Packet, Verdict, command, flag, message};
use ironweir_netlink::{GenMsg, Header, Message, answer, subsystem};
use ironweir_ruleset::Hook;
use ironweir_ruleset::store::Errno;
use ironweir_wire::LinkType;

use super::{ClientId, MAX_WAITING, Refused, Server, flow};

/// The most bytes of a packet (`NFQNL_MAX_COPY_RANGE`).
const MOST_RANGE: u32 = 0xffff - 4;

/// Who listens to a queue, and what of its packets it wants.
#[derive(Debug)]
pub(super) struct Listener {
    client: ClientId,
    mode: CopyMode,
    range: u32,
    flags: u32,
}

impl Server {
    /// A request of nfnetlink_queue.
    pub(super) fn nfqueue(
        &mut self,
        engine: &mut Engine,
        id: ClientId,
        request: &Message<'_>,
    ) -> Result<(), Refused> {
        let (genmsg, attributes) = request.nfgen()?;
        let number = genmsg.res_id;
        match request.header.message() {
            message::CONFIG => self.configure(engine, id, number, &Config::decode(attributes)?),
            message::VERDICT => {
                self.own(id, number)?;
                let told = Verdict::decode(attributes)?;
                let verdict = verdict_of(told.verdict)?;
                if let Some(wanted) = &told.connection
                    && let Some(ct) = engine.queued_connection(number, told.id)
                {
                    // As the kernel, which judges the packet whatever becomes of that (nfqnl_ct_parse).
                    let _ = flow::change(engine, ct, wanted);
                }
                match engine.judge((number, told.id), verdict, told.mark, told.payload) {
                    true => Ok(()),
                    false => Err(Errno::ENOENT.into()),
                }
            }
            message::VERDICT_BATCH => {
                self.own(id, number)?;
                let told = Verdict::decode(attributes)?;
                match engine.judge_up_to((number, told.id), verdict_of(told.verdict)?, told.mark) {
                    true => Ok(()),
                    false => Err(Errno::ENOENT.into()),
                }
            }
            _ => Err(Errno::EOPNOTSUPP.into()),
        }
    }

    /// Whether a queue is a client's (`verdict_instance_lookup`).
    fn own(&self, id: ClientId, number: u16) -> Result<(), Refused> {
        match self.queues.get(&number) {
            None => Err(Errno::ENODEV.into()),
            Some(listener) if listener.client != id => Err(Errno::EPERM.into()),
            Some(_) => Ok(()),
        }
    }

    /// `nfqnl_recv_config`.
    fn configure(
        &mut self,
        engine: &mut Engine,
        id: ClientId,
        number: u16,
        config: &Config,
    ) -> Result<(), Refused> {
        if let Some((command::PF_BIND | command::PF_UNBIND, _)) = config.command {
            return Ok(());
        }
        if let Some((mask, flags)) = config.flags
            && (flags >= flag::MAX || flags & mask & flag::SECCTX != 0)
        {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let held = self.queues.get(&number);
        if held.is_some_and(|listener| listener.client != id) {
            return Err(Errno::EPERM.into());
        }
        match config.command.map(|(command, _)| command) {
            Some(command::BIND) if held.is_some() => return Err(Errno::EBUSY.into()),
            Some(command::BIND) => {
                engine.bind_queue(number);
                let listener = Listener { client: id, mode: CopyMode::None, range: MOST_RANGE, flags: 0 };
                self.queues.insert(number, listener);
            }
            Some(command::UNBIND) if held.is_some() => {
                self.queues.remove(&number);
                engine.unbind_queue(number);
                return Ok(());
            }
            Some(command::UNBIND) => return Err(Errno::ENODEV.into()),
            Some(_) => return Err(Errno::ENOTSUPP.into()),
            None => {}
        }
        let listener = self.queues.get_mut(&number).ok_or(Errno::ENODEV)?;
        if let Some((range, mode)) = config.mode {
            listener.mode = CopyMode::from_number(mode).ok_or(Errno::EINVAL)?;
            listener.range = if range == 0 { MOST_RANGE } else { range.min(MOST_RANGE) };
        }
        if let Some((mask, flags)) = config.flags {
            listener.flags = listener.flags & !mask | flags & mask;
        }
        if let Some(settings) = engine.queue_settings(number) {
            settings.most = config.most.unwrap_or(settings.most);
            settings.fail_open = listener.flags & flag::FAIL_OPEN != 0;
        }
        Ok(())
    }

    /// Tells listeners of the packets that began to wait. One that has no room for that does not hear of a packet, which is
    /// lost, as where the kernel finds a socket's buffer full.
    pub(super) fn tell_queued(&mut self, engine: &mut Engine) {
        while let Some((number, id)) = engine.take_queued() {
            let Some(queued) = engine.queued(number, id) else { continue };
            let listener = self.queues.get(&number);
            let client = listener.and_then(|listener| self.clients.get_mut(&listener.client));
            let told = listener.zip(client).is_some_and(|(listener, client)| {
                let mut bytes = Vec::new();
                let room = client.output.bytes() < MAX_WAITING;
                let told = room && told(&mut bytes, number, id, listener, &queued);
                if told {
                    client.output.answer(bytes);
                }
                told
            });
            if !told {
                engine.lose_queued(number, id);
            }
        }
    }

    /// A client went, and with it its queues and what waits there.
    pub(super) fn leave_queues(&mut self, engine: &mut Engine, id: ClientId) {
        self.queues.retain(|number, listener| {
            let stays = listener.client != id;
            if !stays {
                engine.unbind_queue(*number);
            }
            stays
        });
    }
}

/// Writes the message of a packet (`nfqnl_build_packet_message`). False where it cannot be said, or nothing is wanted.
fn told(bytes: &mut Vec<u8>, number: u16, id: u32, listener: &Listener, queued: &Queued<'_>) -> bool {
    let meta = queued.meta;
    let payload = queued.bytes.get(queued.network..).unwrap_or_default();
    let wanted = match listener.mode {
        CopyMode::Packet => payload.get(..listener.range as usize).unwrap_or(payload),
        CopyMode::Meta => &[],
        CopyMode::None => return false,
    };
    let cut = listener.mode == CopyMode::Packet && wanted.len() < payload.len();
    let source = queued.bytes.get(6..12).filter(|_| queued.link == LinkType::Ethernet && meta.iif.is_some());
    let flow = queued.connection.filter(|_| listener.flags & flag::CONNTRACK != 0);
    let packet = Packet {
        id,
        protocol: meta.protocol,
        hook: queued.hook.number(queued.family).unwrap_or_default() as u8,
        indev: meta.iif.is_some().then_some(meta.iif.0),
        outdev: meta.oif.is_some().then_some(meta.oif.0),
        mark: meta.mark,
        priority: meta.priority,
        hw_address: source.map(HwAddress::new),
        timestamp: matches!(queued.hook, Hook::Prerouting | Hook::Input | Hook::Forward)
            .then(|| super::timestamp(queued.since)),
        connection: flow.map(|(entry, info)| (Box::new(flow::attached(entry, queued.since)), info as u32)),
        whole: cut.then_some(payload.len() as u32),
        // Nobody has looked whether the checksums are right.
        info: if listener.mode == CopyMode::Packet { NOT_VERIFIED } else { 0 },
        payload: (!wanted.is_empty()).then_some(wanted),
    };
    let kind = (u16::from(subsystem::QUEUE)) << 8 | u16::from(message::PACKET);
    let header = Header { kind, ..Header::default() };
    let genmsg = GenMsg { family: queued.family as u8, version: 0, res_id: number };
    answer(bytes, header, genmsg, |writer| packet.encode(writer)).is_ok()
}

/// `verdicthdr_get`: of the number, what the packet's fate is.
fn verdict_of(number: u32) -> Result<QueueVerdict, Refused> {
    Ok(match number & 0xff {
        0 => QueueVerdict::Drop,
        1 => QueueVerdict::Accept,
        3 => QueueVerdict::Queue { number: (number >> 16) as u16, bypass: number & 0x8000 != 0 },
        4 => QueueVerdict::Repeat,
        5 => QueueVerdict::Stop,
        _ => return Err(Errno::EINVAL.into()),
    })
}
