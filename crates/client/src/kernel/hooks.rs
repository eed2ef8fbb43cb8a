//! Asking what hangs at the kernel's hooks.

use ironweir_ruleset::netlink::{Hooked, ask_hooked};
use ironweir_ruleset::store::Errno;
use ironweir_ruleset::{Family, Hook};

use super::Kernel;
use crate::connection::{AskError, Refusal};

impl Kernel {
    /// What hangs at a hook, in the order in which it is called. A kernel that does not know the hook, or does not tell
    /// hooks at all (`CONFIG_NETFILTER_NETLINK_HOOK`), has nothing there: so nft 1.0.6 shows it.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn hooked(
        &mut self,
        family: Family,
        hook: Hook,
        device: Option<&str>,
    ) -> Result<Vec<Hooked>, AskError> {
        let mut found = Vec::new();
        let asked = self.connection.ask(
            |buffer, seq| ask_hooked(buffer, seq, family, hook, device),
            |message| {
                found.push(Hooked::decode(message)?);
                Ok(())
            },
        );
        match asked {
            Err(AskError::Answer(Refusal { errno: Errno::EINVAL | Errno::EOPNOTSUPP, .. })) => Ok(Vec::new()),
            other => other.map(|()| found),
        }
    }
}
