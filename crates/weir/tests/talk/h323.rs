//! Messages of H.323: RAS, Q.931 with H.225.0, H.245, in the packed encoding of ITU-T X.691.

use std::net::IpAddr;

use super::{Side, Talk};

/// Bits one after the other.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are written, 0 if all.
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) -> &mut Bits {
        for index in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if value >> index & 1 == 1
                && let Some(last) = self.bytes.last_mut()
            {
                *last |= 0x80 >> self.used;
            }
            self.used = (self.used + 1) % 8;
        }
        self
    }

    fn bool(&mut self, value: bool) -> &mut Bits {
        self.put(value.into(), 1)
    }

    /// Whole bytes, from a whole byte on.
    fn octets(&mut self, octets: &[u8]) -> &mut Bits {
        self.used = 0;
        self.bytes.extend(octets);
        self
    }

    fn word(&mut self, value: u16) -> &mut Bits {
        self.octets(&value.to_be_bytes())
    }

    fn len(&mut self, len: usize) -> &mut Bits {
        if len < 128 { self.octets(&[len as u8]) } else { self.word(0x8000 | len as u16) }
    }

    /// What has its length before it.
    fn open(&mut self, inner: &Bits) -> &mut Bits {
        let empty = [0];
        let bytes = if inner.bytes.is_empty() { &empty[..] } else { &inner.bytes };
        self.len(bytes.len());
        self.octets(bytes)
    }

    /// Extensions, those that are there, of `count`.
    fn added(&mut self, count: usize, there: &[(usize, Bits)]) -> &mut Bits {
        self.put(count as u32 - 1, 7);
        for index in 0..count {
            self.bool(there.iter().any(|(at, _)| *at == index));
        }
        self.used = 0;
        for (_, inner) in there {
            self.open(inner);
        }
        self
    }
}

fn bits(write: impl for<'b> FnOnce(&'b mut Bits) -> &'b mut Bits) -> Bits {
    let mut bits = Bits::default();
    write(&mut bits);
    bits
}

type Place = (IpAddr, u16);

/// A place that a message names: mostly one of its sender.
fn place(talk: &mut Talk<'_, '_>, side: Side) -> Place {
    let mine = talk.own(side);
    let addresses = talk.addresses();
    let address = if talk.chance.percent(80) { mine.0 } else { talk.chance.pick(&addresses) };
    let port = talk.chance.pick(&[1720u16, 1720, 4000, 4000, 4001, 4002, 30_000, 0, 1, 65_535, mine.1]);
    (address, port)
}

/// TransportAddress of H.225.0.
fn h225_address(talk: &mut Talk<'_, '_>, to: &mut Bits, (address, port): Place) {
    to.put(0, 1);
    if talk.chance.percent(4) {
        match talk.chance.below(4) {
            0 => to.put(4, 3).octets(&[7; 16]),
            1 => to.put(5, 3).put(4, 5).octets(&[7; 5]),
            2 => to.put(1, 3).put(0, 1).octets(&[9; 4]).word(5).len(1).octets(&[9; 4]).put(0, 2),
            _ => to.put(6, 3).put(0, 1).put(1, 1).put(0, 1).octets(&[181, 0]).word(9).len(2).octets(&[1, 2]),
        };
        return;
    }
    match address {
        IpAddr::V4(v4) => to.put(0, 3).octets(&v4.octets()),
        IpAddr::V6(v6) => to.put(3, 3).put(0, 1).octets(&v6.octets()),
    };
    to.word(port);
}

fn h225_list(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let count = talk.chance.pick(&[0usize, 1, 1, 1, 2, 3, 11]);
    to.len(count);
    for index in 0..count {
        let mut place = place(talk, side);
        if index == 0 && talk.chance.percent(20) && place.0.is_ipv4() {
            place.0 = IpAddr::from([127, 0, 0, 1]);
        }
        if talk.chance.percent(40) {
            place = talk.own(side);
        }
        h225_address(talk, to, place);
    }
}

/// TransportAddress of H.245.
fn h245_address(talk: &mut Talk<'_, '_>, to: &mut Bits, (address, port): Place) {
    if talk.chance.percent(4) {
        to.put(0, 1).put(1, 1).put(0, 1).put(0, 1).put(0, 1).octets(&[224, 0, 0, 9]).word(port);
        return;
    }
    to.put(0, 1).put(0, 1).put(0, 1);
    match address {
        IpAddr::V4(v4) => to.put(0, 3).put(0, 1).octets(&v4.octets()),
        IpAddr::V6(v6) => to.put(2, 3).put(0, 1).octets(&v6.octets()),
    };
    to.word(port);
}

/// DataType; whether it is T.120's.
fn data_type(talk: &mut Talk<'_, '_>, to: &mut Bits, t120: bool) {
    to.put(0, 1);
    if t120 {
        to.put(4, 3).put(0, 1).put(0, 1).put(1, 4);
        if talk.chance.percent(85) {
            to.put(1, 1).put(3, 7).open(&Bits::default());
        } else {
            to.put(0, 1).put(6, 3);
        }
        to.put(1, 2).octets(&[1, 2]);
        return;
    }
    match talk.chance.below(8) {
        0 => to.put(1, 3),
        1 => to.put(3, 3).put(0, 1).put(8, 4).octets(&[1]).put(1, 1),
        2 => to.put(3, 3).put(1, 1).put(3, 7).open(&bits(|to| to.put(9, 8))),
        3 => to.put(2, 3).put(0, 1).put(1, 3).put(0, 1).put(2, 2).put(1, 2).put(1, 1).word(900).put(0, 1),
        4 => {
            to.put(2, 3).put(0, 1).put(3, 3).put(0, 1).put(0b010_0001, 7).put(3, 5);
            to.put(1, 2).octets(&[9, 9]).put(0b10101, 5).word(12)
        }
        5 => to.put(5, 3).put(0, 1).put(1, 1),
        _ => to.put(3, 3).put(0, 1).put(3, 4).octets(&[19]),
    };
}

/// What follows H2250LogicalChannelParameters in its CHOICE.
fn h2250(talk: &mut Talk<'_, '_>, side: Side) -> Bits {
    let mut to = Bits::default();
    let (media, control) = (talk.chance.percent(60), talk.chance.percent(70));
    let (associated, guaranteed) = (talk.chance.percent(10), talk.chance.percent(10));
    to.put(0, 1).put(0, 1).bool(associated).bool(media).bool(guaranteed).bool(control).put(0, 5).octets(&[1]);
    if associated {
        to.put(3, 8);
    }
    let at = place(talk, side);
    if media {
        h245_address(talk, &mut to, at);
    }
    if guaranteed {
        to.put(1, 1);
    }
    if control {
        let at = if talk.chance.percent(70) { (at.0, at.1 | 1) } else { place(talk, side) };
        h245_address(talk, &mut to, at);
    }
    to
}

fn separate_stack(talk: &mut Talk<'_, '_>, side: Side) -> Bits {
    let mut to = Bits::default();
    let distribution = talk.chance.percent(20);
    to.put(0, 1).bool(distribution).put(0, 1);
    if distribution {
        to.put(0, 1).put(1, 1);
    }
    to.put(0, 1);
    if talk.chance.percent(10) {
        to.put(1, 2).put(2, 7).octets(&[0x12, 0x30]);
    } else {
        to.put(2, 2);
        let at = place(talk, side);
        h245_address(talk, &mut to, at);
    }
    to.put(0, 1);
    to
}

fn open_logical_channel(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let t120 = talk.chance.percent(25);
    let stack = if t120 { talk.chance.percent(90) } else { talk.chance.percent(10) };
    let reverse = talk.chance.percent(30);
    to.bool(stack).bool(reverse).word(100);
    let port = talk.chance.percent(10);
    to.put(0, 1).bool(port);
    if port {
        to.word(9);
    }
    data_type(talk, to, t120);
    match talk.chance.below(8) {
        0 => {
            to.put(1, 1).put(1, 7).open(&Bits::default());
        }
        1 => {
            to.put(0, 1).put(1, 2).put(0, 1).put(0, 1).put(1, 3).put(1, 1);
        }
        _ => {
            let parameters = h2250(talk, side);
            to.put(1, 1).put(0, 7).open(&parameters);
        }
    }
    if reverse {
        let multiplex = talk.chance.percent(80);
        to.put(0, 1).bool(multiplex);
        data_type(talk, to, false);
        if multiplex {
            let parameters = h2250(talk, side);
            to.put(1, 1).put(0, 7).open(&parameters);
        }
    }
    if stack {
        let stack = separate_stack(talk, side);
        to.added(1, &[(0, stack)]);
    }
}

fn open_logical_channel_ack(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let mut added = Vec::new();
    if talk.chance.percent(20) {
        added.push((0, separate_stack(talk, side)));
    }
    if talk.chance.percent(85) {
        let mut ack = Bits::default();
        let (session, media, control) =
            (talk.chance.percent(50), talk.chance.percent(70), talk.chance.percent(70));
        ack.put(0, 1).put(0, 1).put(0, 1).bool(session).bool(media).bool(control).put(0, 1);
        if session {
            ack.put(1, 8);
        }
        let at = place(talk, side);
        if media {
            h245_address(talk, &mut ack, at);
        }
        if control {
            h245_address(talk, &mut ack, (at.0, at.1 | 1));
        }
        added.push((1, ack));
    }
    let reverse = talk.chance.percent(30);
    to.bool(!added.is_empty()).bool(reverse).word(100);
    if reverse {
        to.put(0, 1).put(0, 1).put(1, 1).word(101);
        let parameters = h2250(talk, side);
        to.put(1, 1).put(0, 7).open(&parameters);
    }
    if !added.is_empty() {
        to.added(2, &added);
    }
}

/// MultimediaSystemControlMessage.
fn h245_message(talk: &mut Talk<'_, '_>, side: Side) -> Bits {
    let mut to = Bits::default();
    match talk.chance.below(10) {
        0 => {
            to.put(0, 1).put(0, 2).put(0, 1).put(1, 4).octets(&[1, 2, 3]);
        }
        1 => {
            to.put(0, 1).put(3, 2).octets(&[1, 2, 3]);
        }
        2..6 => {
            to.put(0, 1).put(1, 2).put(0, 1).put(5, 5);
            open_logical_channel_ack(talk, &mut to, side);
        }
        _ => {
            to.put(0, 1).put(0, 2).put(0, 1).put(3, 4);
            open_logical_channel(talk, &mut to, side);
        }
    }
    to
}

const PROTOCOL: [u8; 7] = [6, 0, 8, 0x91, 0x4a, 0, 4];

fn aliases(talk: &mut Talk<'_, '_>, to: &mut Bits) {
    let count = talk.chance.below(3);
    to.len(count);
    for _ in 0..count {
        match talk.chance.below(3) {
            0 => to.put(0, 1).put(0, 1).put(2, 7).octets(&[0x12, 0x30]).put(0, 0),
            1 => to.put(0, 1).put(1, 1).octets(&[1, 0, b'a', 0, b'b']),
            _ => to.put(1, 1).put(0, 7).open(&bits(|to| to.word(2).octets(b"h:a"))),
        };
        // An odd number of digits ends in the middle of a byte.
        if to.bytes.last() == Some(&0x30) {
            to.used = 4;
        }
    }
}

fn endpoint(talk: &mut Talk<'_, '_>, to: &mut Bits) {
    let (vendor, gateway, terminal) =
        (talk.chance.percent(50), talk.chance.percent(20), talk.chance.percent(50));
    to.put(0, 1).put(0, 1).bool(vendor).put(0, 1).bool(gateway).put(0, 1).bool(terminal);
    if vendor {
        let product = talk.chance.percent(50);
        to.put(0, 1).bool(product).put(0, 1).put(0, 1).octets(&[181, 0]).word(18);
        if product {
            to.octets(&[3]).octets(b"weir");
        }
    }
    if gateway {
        to.put(0, 1).put(1, 1).put(0, 1).len(1).put(0, 1).put(7, 4).put(0, 1).put(0, 1);
    }
    if terminal {
        to.put(0, 1).put(0, 1);
    }
    to.put(0, 1).put(0, 1);
}

fn fast_start(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let count = talk.chance.pick(&[1usize, 1, 2, 4]);
    to.len(count);
    for _ in 0..count {
        let mut channel = Bits::default();
        open_logical_channel(talk, &mut channel, side);
        to.open(&channel);
    }
}

fn identifier() -> Bits {
    bits(|to| to.put(0, 1).octets(&[5; 16]))
}

/// Extensions of a message of calls: callIdentifier, fastStart, and what is its own.
fn call_extensions(
    talk: &mut Talk<'_, '_>,
    side: Side,
    identifier_at: usize,
    fast_at: usize,
    own: Option<(usize, Bits)>,
) -> Vec<(usize, Bits)> {
    let mut added = Vec::new();
    if talk.chance.percent(60) {
        added.push((identifier_at, identifier()));
    }
    added.extend(own);
    if talk.chance.percent(50) {
        let mut fast = Bits::default();
        fast_start(talk, &mut fast, side);
        added.push((fast_at, fast));
    }
    added.sort_by_key(|(at, _)| *at);
    added
}

fn finish(to: &mut Bits, count: usize, added: &[(usize, Bits)]) {
    if !added.is_empty() {
        to.added(count, added);
    }
}

fn setup(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let source = talk.chance.percent(60).then(|| {
        let mut address = Bits::default();
        let at = if talk.chance.percent(50) { talk.own(side) } else { place(talk, side) };
        h225_address(talk, &mut address, at);
        (0, address)
    });
    let added = call_extensions(talk, side, 2, 6, source);
    let [h245, named, called, dest, extra, reference] = std::array::from_fn(|_| talk.chance.percent(40));
    to.put(0, 1).put(0, 3).bool(!added.is_empty());
    to.bool(h245).bool(named).bool(called).bool(dest).bool(extra).bool(reference).put(0, 1);
    to.octets(&PROTOCOL);
    if h245 {
        let at = place(talk, side);
        h225_address(talk, to, at);
    }
    if named {
        aliases(talk, to);
    }
    endpoint(talk, to);
    if called {
        aliases(talk, to);
    }
    if dest {
        let at = if talk.chance.percent(60) { talk.peer(side) } else { place(talk, side) };
        h225_address(talk, to, at);
    }
    if extra {
        aliases(talk, to);
    }
    if reference {
        to.len(2).word(1).word(2);
    }
    to.put(0, 1).octets(&[3; 16]).put(0, 1).put(0, 2).put(0, 1).put(0, 2);
    finish(to, 9, &added);
}

/// callProceeding, connect, alerting by their numbers.
fn answer(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side, number: u32) {
    let added = call_extensions(talk, side, 0, 4, None);
    let h245 = talk.chance.percent(60);
    to.put(0, 1).put(number, 3).bool(!added.is_empty()).bool(h245).octets(&PROTOCOL);
    if number != 2 {
        endpoint(talk, to);
    }
    if h245 {
        let at = place(talk, side);
        h225_address(talk, to, at);
    }
    if number == 2 {
        endpoint(talk, to);
        to.octets(&[3; 16]);
    }
    finish(to, 5, &added);
}

fn facility(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let h245 = talk.chance.percent(60).then(|| {
        let mut address = Bits::default();
        let at = place(talk, side);
        h225_address(talk, &mut address, at);
        (6, address)
    });
    let added = call_extensions(talk, side, 0, 7, h245);
    let (alternative, conference) = (talk.chance.percent(60), talk.chance.percent(20));
    to.put(0, 1).put(6, 3).bool(!added.is_empty()).bool(alternative).put(0, 1).bool(conference);
    to.octets(&PROTOCOL);
    if alternative {
        let at = place(talk, side);
        h225_address(talk, to, at);
    }
    if conference {
        to.octets(&[3; 16]);
    }
    let reason = talk.chance.pick(&[0u32, 1, 1, 1, 2, 3]);
    to.put(0, 1).put(reason, 2);
    finish(to, 8, &added);
}

fn progress(talk: &mut Talk<'_, '_>, to: &mut Bits, side: Side) {
    let mut inner = Bits::default();
    let (h245, token, fast) = (talk.chance.percent(60), talk.chance.percent(30), talk.chance.percent(50));
    inner.put(0, 1).bool(h245).put(0, 1).bool(token).put(0, 1).bool(fast).octets(&PROTOCOL);
    endpoint(talk, &mut inner);
    if h245 {
        let at = place(talk, side);
        h225_address(talk, &mut inner, at);
    }
    inner.put(0, 1).octets(&[5; 16]);
    if token {
        // tokenOID, timeStamp, random.
        inner.len(1).put(0, 1).put(0b1000_1000, 8).octets(&[2, 0, 8]);
        inner.put(3, 2).octets(&[1, 2, 3, 4]).len(1).octets(&[9]);
    }
    if fast {
        fast_start(talk, &mut inner, side);
    }
    to.put(1, 1).put(0, 7).open(&inner);
}

fn call(talk: &mut Talk<'_, '_>, side: Side) -> Vec<u8> {
    let mut to = Bits::default();
    let tunnelled = talk.chance.percent(40);
    to.put(0, 1).put(0, 1).bool(tunnelled).put(0, 1);
    match talk.chance.below(12) {
        0..3 => setup(talk, &mut to, side),
        3 => answer(talk, &mut to, side, 1),
        4..6 => answer(talk, &mut to, side, 2),
        6 => answer(talk, &mut to, side, 3),
        7..9 => facility(talk, &mut to, side),
        9 => progress(talk, &mut to, side),
        10 => {
            to.put(0, 1).put(4, 3).put(0, 1).octets(&PROTOCOL);
        }
        _ => {
            to.put(0, 1).put(5, 3).put(0, 1).put(1, 1).octets(&PROTOCOL).put(0, 1).put(3, 4);
        }
    }
    if tunnelled {
        let count = 1 + talk.chance.below(5);
        let mut control = Bits::default();
        control.len(count);
        for _ in 0..count {
            let message = h245_message(talk, side);
            control.open(&message);
        }
        to.added(3, &[(1, bits(|to| to.put(1, 1))), (2, control)]);
    }
    let mut message = vec![8, 2, 0x12, 0x34, 5];
    if talk.chance.percent(50) {
        message.extend([4, 3, 0x88, 0x93, 0xa5]);
    }
    message.push(0x7e);
    message.extend((1 + to.bytes.len() as u16).to_be_bytes());
    message.push(5);
    message.extend(to.bytes);
    message
}

/// Some byte of a message that is another.
fn marred(talk: &mut Talk<'_, '_>, mut message: Vec<u8>) -> Vec<u8> {
    if talk.chance.percent(12) && !message.is_empty() {
        let at = talk.chance.below(message.len());
        match talk.chance.below(3) {
            0 => message[at] ^= 1 << talk.chance.below(8),
            1 => message[at] = talk.chance.below(256) as u8,
            _ => message.truncate(at.max(1)),
        }
    }
    message
}

fn packed(message: &[u8]) -> Vec<u8> {
    let mut packed = vec![3, 0];
    packed.extend((4 + message.len() as u16).to_be_bytes());
    packed.extend(message);
    packed
}

/// Messages in segments: alone, several, with their header before them.
fn say(talk: &mut Talk<'_, '_>, side: Side, make: fn(&mut Talk<'_, '_>, Side) -> Vec<u8>) {
    let message = make(talk, side);
    let message = marred(talk, message);
    match talk.chance.below(8) {
        0 => {
            talk.say(side, &packed(&message)[..4]);
            talk.say(side, &message);
        }
        1 => {
            let next = make(talk, side);
            talk.say(side, &[packed(&message), packed(&next)].concat());
        }
        _ => talk.say(side, &packed(&message)),
    }
}

fn either(talk: &mut Talk<'_, '_>) -> Side {
    talk.chance.pick(&[Side::Client, Side::Server])
}

/// Calls, and the connections of H.245 that they announce.
pub(crate) fn calls(talk: &mut Talk<'_, '_>) {
    talk.open();
    for _ in 0..6 {
        if talk.is_over() {
            return;
        }
        let side = either(talk);
        say(talk, side, call);
        for _ in 0..2 {
            if talk.chance.percent(50) {
                talk.fulfil();
            }
        }
    }
    if talk.chance.percent(60) && talk.turn_to_expected() {
        for _ in 0..5 {
            if talk.is_over() {
                return;
            }
            let side = either(talk);
            say(talk, side, |talk, side| h245_message(talk, side).bytes);
            if talk.chance.percent(60) {
                talk.fulfil();
            }
        }
    }
}

/// timeToLive, with two that follow in every version that has it: the kernel does not read one that is the last (gaps.md).
fn lasts(talk: &mut Talk<'_, '_>, to: &mut Bits) {
    let life = bits(|to| match talk.chance.below(3) {
        0 => to.put(0, 2).octets(&[199]),
        1 => to.put(1, 2).octets(&[1, 44]),
        _ => to.put(2, 2).octets(&[0, 1, 44]),
    });
    let yes = || bits(|to| to.put(1, 1));
    to.added(8, &[(1, life), (5, yes()), (7, yes())]);
}

fn register(talk: &mut Talk<'_, '_>, side: Side) -> Vec<u8> {
    let mut to = Bits::default();
    let kind = talk.chance.pick(&[0u32, 1, 3, 3, 3, 4, 4, 6, 9, 9, 10, 10, 18, 19, 22, 2, 7]);
    to.put(0, 1).put(kind, 5);
    let at = if talk.chance.percent(50) { talk.own(side) } else { place(talk, side) };
    let identifier = |to: &mut Bits| {
        to.put(1, 7).octets(&[0, b'g', 0, b'k']);
    };
    match kind {
        0 => {
            to.put(0, 1).put(0, 4).word(1).octets(&PROTOCOL);
            h225_address(talk, &mut to, at);
            endpoint(talk, &mut to);
        }
        1 => {
            let named = talk.chance.percent(50);
            to.put(0, 1).put(0, 1).bool(named).word(1).octets(&PROTOCOL);
            if named {
                identifier(&mut to);
            }
            h225_address(talk, &mut to, at);
        }
        3 => {
            let (alias, lasting) = (talk.chance.percent(50), talk.chance.percent(60));
            to.bool(lasting).put(0, 1).bool(alias).put(0, 1).word(1).octets(&PROTOCOL).put(0, 1);
            h225_list(talk, &mut to, side);
            h225_list(talk, &mut to, side);
            endpoint(talk, &mut to);
            if alias {
                aliases(talk, &mut to);
            }
            to.put(0, 1).put(0, 2).put(0, 1).octets(&[181, 0]).word(18);
            if lasting {
                lasts(talk, &mut to);
            }
        }
        4 => {
            let lasting = talk.chance.percent(60);
            to.bool(lasting).put(0, 3).word(1).octets(&PROTOCOL);
            h225_list(talk, &mut to, side);
            identifier(&mut to);
            if lasting {
                lasts(talk, &mut to);
            }
        }
        6 => {
            to.put(0, 1).put(0, 3).word(1);
            h225_list(talk, &mut to, side);
        }
        9 => {
            let (model, dest, source) =
                (talk.chance.percent(50), talk.chance.percent(50), talk.chance.percent(60));
            to.put(0, 1).bool(model).put(0, 1).bool(dest).put(0, 1).bool(source).put(0, 2).word(1);
            to.put(0, 1).put(1, 2);
            if model {
                to.put(0, 1).put(1, 1);
            }
            identifier(&mut to);
            if dest {
                let at = place(talk, side);
                h225_address(talk, &mut to, at);
            }
            aliases(talk, &mut to);
            if source {
                let at = place(talk, side);
                h225_address(talk, &mut to, at);
            }
            to.put(1, 2).octets(&[9, 9]);
        }
        10 => {
            to.put(0, 1).put(0, 2).word(1).put(1, 2).octets(&[9, 9]).put(0, 1).put(1, 1);
            let at = if talk.chance.percent(40) {
                (talk.peer(side).0, place(talk, side).1)
            } else {
                place(talk, side)
            };
            h225_address(talk, &mut to, at);
        }
        18 => {
            to.put(0, 1).put(0, 2).word(1);
            aliases(talk, &mut to);
            h225_address(talk, &mut to, at);
        }
        19 => {
            to.put(0, 1).put(0, 1).word(1);
            h225_address(talk, &mut to, at);
            h225_address(talk, &mut to, at);
        }
        22 => {
            to.put(0, 1).put(0, 3).word(1);
            endpoint(talk, &mut to);
            identifier(&mut to);
            h225_address(talk, &mut to, at);
            h225_list(talk, &mut to, side);
        }
        _ => {
            to.put(0, 1).put(0, 2).word(1);
        }
    }
    to.bytes
}

/// Registrations, admissions and what is asked about calls.
pub(crate) fn registrations(talk: &mut Talk<'_, '_>) {
    for turn in 0..8 {
        if talk.is_over() {
            return;
        }
        let side = if turn == 0 { Side::Client } else { either(talk) };
        let message = register(talk, side);
        let message = marred(talk, message);
        talk.say(side, &message);
        if talk.chance.percent(50) {
            talk.fulfil();
        }
    }
}
