//! `osf`: guesses the sender's operating system from its SYN (`nft_osf.c`).

use std::fmt;

use ironweir_netlink::{Attribute, Writer};
use ironweir_wire::protocol::ipproto;
use ironweir_wire::{Packet, tcp};

use crate::given::{Fault, Given, put_flags, put_register};
use crate::registry::Expression;
use crate::text::{Order, Orders};
use crate::validate::{ExprError, IP, ValidateCtx, register, when};
use crate::{Env, Hook, Outcome, Register, Registers};

/// Loads the name of the operating system, 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Osf {
    /// Where it goes.
    pub destination: Register,
    /// How the TTL is judged: 0 loosely within the network, 1 (`loose`) less or equal, 2 (`skip`) not at all.
    pub ttl: u8,
    /// With the version (`NFT_OSF_F_VERSION`).
    pub version: bool,
}

impl Expression for Osf {
    const NAME: &'static str = "osf";
    const HIGHEST: u16 = FLAGS;

    /// Only for TCP packets with SYN (`nft_osf_eval`).
    fn eval<E: Env>(&self, registers: &mut Registers, packet: &mut Packet<'_>, env: &mut E) -> Outcome {
        let Some((ipproto::TCP, at)) = env.info().transport_header() else { return Outcome::Break };
        if !tcp::Header::read(packet, at).is_some_and(|tcp| tcp.has(tcp::flag::SYN)) {
            return Outcome::Break;
        }
        let mut name = [0; 16];
        let found = env.osf(self, packet);
        let found = found.as_deref().unwrap_or(b"unknown");
        name[..15].iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        registers.store(self.destination, &name);
        Outcome::Next
    }

    fn text(&self, f: &mut fmt::Formatter<'_>, _: &Orders) -> fmt::Result {
        write!(f, "osf dreg {}", self.destination)
    }

    fn validate(&self, ctx: &ValidateCtx) -> Result<(), ExprError> {
        ctx.families("osf", IP)?;
        ctx.hooks("osf", &[Hook::Prerouting, Hook::Input, Hook::Forward])?;
        when(self.ttl > 2, "a way to judge the TTL that is not known")?;
        register(self.destination, 16)
    }

    fn loads(&self) -> Option<(Register, usize, Order)> {
        Some((self.destination, 16, Order::Network))
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        put_register(writer, DREG, self.destination);
        writer.put_u8(TTL, self.ttl);
        put_flags(writer, FLAGS, if self.version { VERSION } else { 0 });
    }

    fn decode(given: &Given<'_>) -> Result<Osf, Fault> {
        let ttl = given.option(TTL, Attribute::u8)?.unwrap_or(0);
        let version = given.flags(FLAGS, VERSION)? == VERSION;
        Ok(Osf { destination: given.register(DREG)?, ttl, version })
    }
}

/// `NFTA_OSF_DREG`.
const DREG: u16 = 1;
/// `NFTA_OSF_TTL`.
const TTL: u16 = 2;
/// `NFTA_OSF_FLAGS`.
const FLAGS: u16 = 3;
/// `NFT_OSF_F_VERSION`.
const VERSION: u32 = 1;
