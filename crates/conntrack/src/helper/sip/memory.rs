//! What is remembered of a connection (`struct nf_ct_sip_master`).

use crate::helper::Context;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The number of the last registration that was asked for.
    pub(super) register: u32,
    /// The number of the last invitation.
    pub(super) invite: u32,
    /// The port that its client says it listens at, where it sends from another.
    pub(super) answers_to: Option<u16>,
}

impl Memory {
    pub(super) fn of(context: &Context<'_, '_>) -> Memory {
        let [register, invite, port, ..] = context.memory();
        Memory { register, invite, answers_to: Some(port as u16).filter(|port| *port != 0) }
    }

    pub(super) fn store(self, context: &mut Context<'_, '_>) {
        let port = self.answers_to.map_or(0, u32::from);
        context.remember([self.register, self.invite, port, 0, 0, 0, 0, 0]);
    }
}
