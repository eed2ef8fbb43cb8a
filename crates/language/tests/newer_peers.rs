//! A ruleset that a newer peer made, with attributes beside those that are known, lists as what is known of it.

use ironweir_expr::Expr;
use ironweir_expr::compat::Extended;
use ironweir_language::files::NoFiles;
use ironweir_language::session::{Backend, Memory, Rejection, Session};
use ironweir_language::source::Sources;
use ironweir_ruleset::store::Applied;
use ironweir_ruleset::{Batch, Change, Ruleset};
use ironweir_wire::Instant;

/// A backend whose kernel puts something of its own into every expression.
struct Newer(Memory);

impl Backend for Newer {
    fn ruleset(&self) -> &Ruleset {
        &self.0.ruleset
    }

    fn now(&self) -> Instant {
        self.0.now
    }

    fn commit(&mut self, batch: &Batch) -> Result<Applied, Rejection> {
        let mut batch = batch.clone();
        for change in &mut batch.changes {
            if let Change::NewRule { rule, .. } = change {
                rule.exprs.iter_mut().for_each(|expr| *expr = newer(expr.clone()));
            }
        }
        self.0.commit(&batch)
    }
}

/// With attribute 60, whatever that may be, also in what it holds.
fn newer(mut expr: Expr) -> Expr {
    match &mut expr {
        Expr::Dynset(dynset) => dynset.exprs.iter_mut().for_each(|inside| *inside = newer(inside.clone())),
        Expr::Inner(inner) => *inner.expr = newer((*inner.expr).clone()),
        _ => {}
    }
    let attribute = [&8u16.to_ne_bytes()[..], &60u16.to_ne_bytes(), &[1, 2, 3, 4]].concat();
    Expr::Extended(Box::new(Extended::new(expr, attribute.into())))
}

const RULESET: &str = "table inet t {
	set s {
		type ipv4_addr
		size 65535
		flags dynamic
	}

	counter web {
		packets 0 bytes 0
	}

	chain c {
	}

	chain input {
		type filter hook input priority filter; policy accept;
		ct state established,related accept
		iifname \"lo\" counter packets 3 bytes 300 accept
		tcp dport { 80, 443 } counter name \"web\" jump c
		ip saddr 10.0.0.0/8 limit rate 5/second burst 5 packets log prefix \"in \" drop
		update @s { ip saddr counter }
		udp dport 4789 vxlan ip saddr 10.1.2.3 accept
		meta mark set ct mark and 0x0000ff00
		reject with icmpx admin-prohibited
	}
}
";

fn listed(backend: &mut dyn Backend) -> String {
    let (mut session, mut sources) = (Session::default(), Sources::new());
    let mut listing = String::new();
    for text in [RULESET, "list ruleset"] {
        let source = sources.add("in", text, None).expect("short");
        let outcome = session.run(&mut sources, source, &NoFiles, backend);
        assert!(outcome.ok(), "{}", outcome.render(&sources));
        listing = outcome.output;
    }
    listing
}

#[test]
fn what_is_known_of_an_expression_is_listed() {
    let memory = || Memory::new(Instant::from_nanos(1_750_000_000_000_000_000));
    let mut newer = Newer(memory());
    assert_eq!(listed(&mut newer), listed(&mut memory()));
    let exprs = newer.ruleset().tables().flat_map(|table| table.chains()).flat_map(|chain| chain.rules());
    assert!(exprs.flat_map(|rule| &rule.rule.exprs).all(|expr| matches!(expr, Expr::Extended(_))));
}
