//! The address family that matches so far tell, for expressions whose type depends on it.

use ironweir_expr::Family;
use ironweir_expr::payload::Base;

use crate::diag::{Diagnostic, Parsed};
use crate::lower::Lower;
use crate::proto::Proto;
use crate::source::Span;

/// The error that neither the expression nor a match before it says the family; `word` is what it reads.
pub(crate) fn family_unknown(span: Span, word: &str) -> Box<Diagnostic> {
    Diagnostic::error(
        span,
        format!("cannot determine ip protocol version, use \"ip {word}\" or \"ip6 {word}\" instead"),
    )
}

impl Lower<'_> {
    /// Refuses a family that earlier matches exclude.
    pub(crate) fn agrees_with_network(&self, proto: Proto, span: Span) -> Parsed<()> {
        match self.protocols.at(Base::Network) {
            Some(known) if known != proto && known != Proto::Unknown => {
                let message = format!("conflicting dependencies: {} vs. {}", proto.name(), known.name());
                let error = Diagnostic::error(span, message);
                let told = self.protocols.told(Base::Network);
                Err(match told.is_some() {
                    true => error.and(told, format!("this tells that the packet is {}", known.name())),
                    false => error,
                })
            }
            _ => Ok(()),
        }
    }

    /// The family that is known for the network layer.
    pub(crate) fn network_family(&self) -> Option<Family> {
        match self.protocols.at(Base::Network) {
            Some(Proto::Ip) => Some(Family::Ip),
            Some(Proto::Ip6) => Some(Family::Ip6),
            _ => None,
        }
    }
}
