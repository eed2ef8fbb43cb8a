//! Amanda: a client's answer names the ports where the backup's connections are awaited
//! (nf_conntrack_amanda.c, nf_nat_amanda.c).

use std::time::Duration;

use ironweir_wire::protocol::ipproto;

use super::number::decimal;
use super::{Context, Helper, Judgement};
use crate::entry::Direction;
use crate::expect::{Expectation, Policy};

/// The line of ports begins with this, and names each after one of those.
const CONNECT: &[u8] = b"CONNECT ";
const STREAMS: [&[u8]; 4] = [b"DATA ", b"MESG ", b"INDEX ", b"STATE "];
/// So many digits of a port are read.
const MOST_DIGITS: usize = 5;

/// The helper "amanda".
#[derive(Debug)]
pub(super) struct Amanda;

impl Helper for Amanda {
    fn name(&self) -> &'static str {
        "amanda"
    }

    fn l4(&self) -> u8 {
        ipproto::UDP
    }

    fn policies(&self) -> &[Policy] {
        const { &[Policy { max_expected: 4, timeout: Duration::from_secs(180) }] }
    }

    fn packet(&self, payload: &[u8], context: &mut Context<'_, '_>) -> Judgement {
        if context.direction() == Direction::Original {
            return Judgement::Accept;
        }
        // The next answer may take long.
        context.keep(Duration::from_secs(300));
        let original = context.tuple(Direction::Original);
        // From the last to the first, so that places stay true when digits come or go.
        for (at, digits, port) in ports(payload).rev() {
            let expectation =
                Expectation::new(&original, ipproto::TCP, Some(original.src), original.dst, port);
            if !context.has_nat() {
                if context.expect(expectation).is_err() {
                    return Judgement::Drop;
                }
                continue;
            }
            let expectation = expectation.following(Direction::Original, port);
            let Ok(chosen) = context.expect_at_free_port(&expectation) else { return Judgement::Drop };
            if chosen != port && !context.mangle(at, digits, chosen.to_string().as_bytes()) {
                return Judgement::Drop;
            }
        }
        Judgement::Accept
    }
}

/// Place, number of digits and value of each port, in the order of the payload.
fn ports(payload: &[u8]) -> impl DoubleEndedIterator<Item = (usize, usize, u16)> {
    let find = |text: &[u8], word: &[u8]| text.windows(word.len()).position(|window| window == word);
    let mut found: Vec<(usize, usize, u16)> = Vec::new();
    if let Some(start) = find(payload, CONNECT).map(|at| at + CONNECT.len()) {
        let rest = payload.get(start..).unwrap_or_default();
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let line = rest.get(..line).unwrap_or_default();
        for word in STREAMS {
            let Some(at) = find(line, word).map(|at| at + word.len()) else { continue };
            let text = line.get(at..).unwrap_or_default();
            let text = text.get(..MOST_DIGITS).unwrap_or(text);
            // Of a number too large the lower bits count; what is no port ends the search.
            match decimal(text).map(|(port, digits)| (port as u16, digits)) {
                Some((port @ 1.., digits)) => found.push((start + at, digits, port)),
                _ => break,
            }
        }
    }
    found.sort_unstable();
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of Amanda 2.4 to SENDBACKUP, from amanda(8) and its protocol description.
    #[test]
    fn the_ports_of_an_answer_are_read() {
        let answer = b"Amanda 2.4 REP HANDLE 000-00000000 SEQ 954568800\n\
            CONNECT DATA 1206 MESG 1208 INDEX 1209\nOPTIONS ;compress-fast;bsd-auth;index;\n";
        let found: Vec<(u16, &[u8])> =
            ports(answer).map(|(at, digits, port)| (port, &answer[at..at + digits])).collect();
        assert_eq!(found, [(1206, &b"1206"[..]), (1208, b"1208"), (1209, b"1209")]);
        for other in
            [&b"CONNECT DATA 0\n"[..], b"CONNECT DATA 65536\n", b"CONNECT DATA", b"CONNECT \nDATA 5\n"]
        {
            assert_eq!(ports(other).count(), 0, "{other:?}");
        }
        let ended: Vec<u16> =
            ports(b"CONNECT DATA 1206 MESG 0 INDEX 1209\n").map(|(_, _, port)| port).collect();
        assert_eq!(ended, [1206]);
    }
}
