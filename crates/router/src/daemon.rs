//! The loop that gives a [`Server`] its sockets: the thread of clients.
//!
//! It works on whatever comes in turns: of every client one datagram a turn, so that nobody waits for another's batch more
//! than once. The engine is asked for only while it is needed, and packets go through it in between ([`Shared`]). What else
//! the daemon does beside packets hangs in as an [`Attendant`]. What a client may occupy is bounded ([`MAX_REQUEST`], [`MAX_HALF_SENT`],
//! [`MAX_CLIENTS`], [`MAX_WAITING`]).

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ironweir_io::netlink::program_of_port;
use ironweir_io::seqpacket::{Command, HELLO, Listener, Peer, Received, Reply, Sent};
use ironweir_ruleset::store::Errno;
use ironweir_wire::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::server::{ClientId, MAX_WAITING, Process, Request, Server};
use crate::shared::Shared;

/// Clients at once. Who comes then waits at the door.
pub const MAX_CLIENTS: usize = 256;
/// Bytes of a request.
pub const MAX_REQUEST: u32 = 512 << 20;
/// Bytes of requests that have begun, of all clients together.
pub const MAX_HALF_SENT: usize = 1 << 30;

/// Bytes of a datagram of a client: more than one has, so that one that is cut off is seen.
const DATAGRAM: usize = 1 << 20;

/// A daemon: who listens, and those that came.
#[derive(Debug)]
pub struct Daemon {
    listener: Listener,
    server: Server,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    /// Bytes of all requests that have begun.
    half_sent: usize,
    attendants: Vec<Box<dyn Attendant>>,
    log: Option<Log>,
}

/// Takes lines of `log`: level (0 to 7), and text.
type Log = fn(u8, String);

/// Something that is done in the thread of clients, in turns.
pub trait Attendant: Debug {
    /// What ends the wait when it can be read.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// When there is something to do though nothing comes.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what there is to do, at every turn of the loop: what can be read may have been read. Packets wait while it holds
    /// the engine.
    ///
    /// # Errors
    /// It cannot go on, and the daemon shall end.
    fn turn(&mut self, shared: &Shared, now: Instant) -> io::Result<()>;

    /// Clients' requests were worked on, and none of them has its answer yet.
    ///
    /// # Errors
    /// As [`Attendant::turn`].
    fn served(&mut self, _shared: &Shared, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    /// The last thing it is asked: the daemon ends, and no packet goes through the engine any more.
    fn end(&mut self, shared: &Shared, now: Instant) {
        let _ = (shared, now);
    }
}

#[derive(Debug)]
struct Client {
    id: ClientId,
    peer: Peer,
    /// Bytes of the request that was announced; 0 for none.
    expected: u32,
    gathered: Vec<u8>,
    /// The last request's answer was longer than there was room for; its end is to be told.
    more: bool,
    gone: bool,
}

impl Daemon {
    /// Clients come in through `listener`.
    pub fn new(listener: Listener) -> Daemon {
        let (server, clients, buffer) = (Server::new(), Vec::new(), vec![0; DATAGRAM]);
        Daemon { listener, server, clients, buffer, half_sent: 0, attendants: Vec::new(), log: None }
    }

    /// Makes something have its turns with the clients.
    pub fn attend(&mut self, attendant: Box<dyn Attendant>) {
        self.attendants.push(attendant);
    }

    /// Lines of `log` without a group go there, which must not wait.
    pub fn log_to(&mut self, log: Log) {
        self.log = Some(log);
    }

    /// Ends what attendants do.
    pub fn end(&mut self, shared: &Shared, now: Instant) {
        for attendant in &mut self.attendants {
            attendant.end(shared, now);
        }
    }

    /// Waits until there is something to do, at most so long, and does it. `clock` tells the time.
    ///
    /// # Errors
    /// The system cannot wait, or an attendant cannot go on. What goes wrong with a client ends that client alone.
    pub fn turn(
        &mut self,
        shared: &Shared,
        clock: &dyn Fn() -> Instant,
        timeout: Duration,
    ) -> io::Result<()> {
        self.server.watch(shared.watch());
        shared.watch().set_lines(self.log.is_some());
        let ready = self.wait(shared, clock(), timeout)?;
        shared.control.seen();
        let now = clock();
        for attendant in &mut self.attendants {
            attendant.turn(shared, now)?;
        }
        let Some((door, ready)) = ready.split_first() else { return Ok(()) };
        for (index, ready) in ready.iter().enumerate() {
            if *ready {
                self.work(shared, now, index);
            }
        }
        if ready.contains(&true) {
            for attendant in &mut self.attendants {
                attendant.served(shared, now)?;
            }
        }
        self.tell(shared, now);
        for index in 0..self.clients.len() {
            let id = self.clients[index].id;
            if self.server.goes_on(id) {
                self.server.go_on(&mut shared.lock(), id);
            }
            self.send(index);
        }
        for client in self.clients.extract_if(.., |client| client.gone) {
            self.half_sent -= client.gathered.len();
            self.server.disconnect(&mut shared.lock(), client.id);
            // What waited for its verdict goes on.
            shared.hurry();
        }
        if *door {
            self.admit()?;
        }
        Ok(())
    }

    /// Tells clients what packets did.
    fn tell(&mut self, shared: &Shared, now: Instant) {
        let mut engine = shared.lock();
        self.server.tell_connections(&mut engine);
        let lines = self.server.tell_packets(&mut engine, now);
        let judged = engine.has_judged();
        drop(engine);
        if judged {
            shared.hurry();
        }
        if let Some(log) = &mut self.log {
            lines.into_iter().for_each(|(level, line)| log(level, line));
        }
    }

    /// Which have something for us: the listener first, then the clients.
    fn wait(&self, shared: &Shared, now: Instant, timeout: Duration) -> io::Result<Vec<bool>> {
        let door = if self.clients.len() < MAX_CLIENTS { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::from_borrowed_fd(self.listener.as_fd(), door)];
        let mut owners = vec![0];
        for (index, client) in self.clients.iter().enumerate() {
            let mut wanted = PollFlags::empty();
            if self.server.waiting(client.id) {
                wanted |= PollFlags::OUT;
            }
            // Who does not read is not read.
            if self.waiting_bytes(client) <= MAX_WAITING {
                wanted |= PollFlags::IN;
            }
            fds.push(PollFd::from_borrowed_fd(client.peer.data(), wanted));
            owners.push(index + 1);
            if let Some(control) = client.peer.control() {
                fds.push(PollFd::from_borrowed_fd(control, PollFlags::IN));
                owners.push(index + 1);
            }
        }
        // Attendants look in every turn; here they only end the wait.
        let clients = fds.len();
        fds.push(PollFd::new(&shared.control, PollFlags::IN));
        let attending = self.attendants.iter().flat_map(|attendant| attendant.descriptors());
        fds.extend(attending.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let due = self.attendants.iter().filter_map(|attendant| attendant.deadline());
        let due = due.chain(self.server.deadline()).min();
        let timeout = due.map_or(timeout, |due| due.since(now).min(timeout));
        let busy = self.clients.iter().any(|client| self.server.goes_on(client.id));
        let timeout = Timespec::try_from(if busy { Duration::ZERO } else { timeout }).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            // Whoever sent the signal wants the caller to look.
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let mut ready = vec![false; self.clients.len() + 1];
        for (fd, owner) in fds[..clients].iter().zip(owners) {
            ready[owner] |= !fd.revents().is_empty();
        }
        Ok(ready)
    }

    fn waiting_bytes(&self, client: &Client) -> usize {
        self.server.waiting_bytes(client.id)
    }

    /// Lets one in.
    fn admit(&mut self) -> io::Result<()> {
        let Some(peer) = self.listener.accept()? else { return Ok(()) };
        let pid = peer.pid();
        let id = self.server.connect(Process { pid, name: program_of_port(pid) });
        let (gathered, more, gone) = (Vec::new(), false, false);
        self.clients.push(Client { id, peer, expected: 0, gathered, more, gone });
        Ok(())
    }

    /// Takes a command and a datagram of a client.
    fn work(&mut self, shared: &Shared, now: Instant, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        // In this order: a request that is there was announced before.
        let received = client.peer.receive(&mut self.buffer);
        match client.peer.command() {
            Ok(None) => {}
            Ok(Some(command)) => {
                let errno = match command {
                    Command::Request(len) if client.expected != 0 || len == 0 => Errno::EINVAL.number(),
                    Command::Request(len) if len > MAX_REQUEST => Errno::EMSGSIZE.number(),
                    Command::Request(len) => {
                        client.expected = len;
                        -1
                    }
                    Command::Port(port) => {
                        self.server.set_port(client.id, port);
                        0
                    }
                    Command::Join(group) | Command::Leave(group) => {
                        let join = matches!(command, Command::Join(_));
                        self.server.listen(client.id, group, join).err().map_or(0, Errno::number)
                    }
                };
                if errno >= 0 {
                    client.peer.reply(Reply { errno, more: false });
                }
            }
            Err(_) => client.gone = true,
        }
        match received {
            Received::Nothing => {}
            Received::Gone => client.gone = true,
            Received::Datagram(len) => {
                let datagram = self.buffer.get(..len).unwrap_or_default();
                if datagram == HELLO {
                    return;
                }
                if client.expected == 0 {
                    return request(&mut self.server, shared, now, client.id, datagram);
                }
                self.half_sent += len;
                client.gathered.extend_from_slice(datagram);
                let whole = client.expected as usize;
                if client.gathered.len() > whole || self.half_sent > MAX_HALF_SENT {
                    client.gone = true;
                } else if client.gathered.len() == whole {
                    let gathered = std::mem::take(&mut client.gathered);
                    self.half_sent -= gathered.len();
                    client.expected = 0;
                    let id = client.id;
                    request(&mut self.server, shared, now, id, &gathered);
                    self.send(index);
                    let more = self.server.waiting(id);
                    if let Some(client) = self.clients.get_mut(index) {
                        client.more = more;
                        client.peer.reply(Reply { errno: 0, more });
                    }
                }
            }
        }
    }

    /// Sends what waits for a client, as far as there is room.
    fn send(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let Some(output) = self.server.output(client.id) else { return };
        while let Some(datagram) = output.front() {
            match client.peer.send(datagram) {
                Sent::Sent => output.sent(),
                Sent::Full => return,
                Sent::Gone => {
                    client.gone = true;
                    return;
                }
            }
        }
        if client.more {
            client.more = false;
            client.peer.reply(Reply::default());
        }
    }
}

/// Works on a request. What can be done without the engine is done before it is asked for.
fn request(server: &mut Server, shared: &Shared, now: Instant, id: ClientId, datagram: &[u8]) {
    let Some(request) = Request::read(datagram) else { return };
    {
        let mut engine = shared.lock();
        engine.advance(now);
        server.work(&mut engine, id, request);
    }
    // Elements may expire sooner than anything did before.
    shared.hurry();
}
