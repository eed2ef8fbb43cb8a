//! Why packets ended: what a daemon tells beside all that the kernel would.

use ironweir_netlink::daemon::{SUBSYSTEM, Statistic, message};
use ironweir_netlink::{Flags, GenMsg};
use ironweir_ruleset::store::Errno;

use crate::connection::{AskError, Connection, Refusal};

/// Asks a daemon for what it counted. `None` of a peer that is no daemon: the kernel.
///
/// # Errors
/// [`AskError`].
pub fn statistics(connection: &mut Connection) -> Result<Option<Vec<Statistic>>, AskError> {
    let kind = u16::from(SUBSYSTEM) << 8 | u16::from(message::STATISTICS);
    let mut all = Vec::new();
    let asked = connection.ask(
        |bytes, seq| {
            let flags = Flags::REQUEST | Flags::ACK;
            ironweir_netlink::message(bytes, kind, flags, seq, GenMsg::default(), |_| {})
        },
        |message| {
            let (_, attributes) = message.nfgen()?;
            all.extend(Statistic::decode(attributes)?);
            Ok(())
        },
    );
    match asked {
        Ok(()) => Ok(Some(all)),
        Err(AskError::Answer(Refusal { errno: Errno::EINVAL | Errno::EOPNOTSUPP, .. })) => Ok(None),
        Err(error) => Err(error),
    }
}
