//! Any bytes as messages of nf_tables and ctnetlink: they are malformed, or what was read is written as what is read
//! the same.
#![no_main]

use ironweir_netlink::ctnetlink::{Expectation, Flow};
use ironweir_netlink::{Attributes, Flags, Header, Messages, Writer};
use ironweir_ruleset::netlink::{Requests, Told, Transaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut requests = Requests::new();
    for (index, message) in (0..).zip(Messages::new(bytes)) {
        let Ok(message) = message else { break };
        if let Ok(told) = Told::decode(&message) {
            told_again(&told, message.header);
        }
        if let Ok(Some(change)) = requests.decode(&message, index) {
            let mut transaction = Transaction::begin(0, None, Flags::empty()).expect("a batch begins");
            // What cannot be said is an error: two things in one, or what is too long.
            let Ok(()) = transaction.push(0, &change) else { continue };
            let mut again = Requests::new();
            let messages = Messages::new(transaction.as_bytes()).skip(1);
            for message in messages {
                let message = message.expect("it was written");
                again.decode(&message, 0).expect("what was written is read");
            }
        }
        if let Ok((_, attributes)) = message.nfgen() {
            connections_again(attributes.as_bytes());
        }
    }
});

/// What a request alone has, such as the number of a set in its batch, is read but not told.
fn told_again(told: &Told, header: Header) {
    if matches!(told, Told::Unknown) {
        return;
    }
    let mut first = Vec::new();
    let Ok(()) = told.encode(&mut first, header, 0) else { return };
    let message = Messages::new(&first).next().expect("a message").expect("it is whole");
    let again =
        Told::decode(&message).unwrap_or_else(|error| panic!("written but refused: {error}\n{told:?}"));
    let mut second = Vec::new();
    again.encode(&mut second, header, 0).expect("it was written before");
    assert!(first == second, "written, read, and written otherwise:\n{told:?}\n{again:?}");
}

fn connections_again(attributes: &[u8]) {
    let written = |put: &dyn Fn(&mut Writer<'_>)| {
        let mut buffer = Vec::new();
        let mut writer = Writer::new(&mut buffer);
        put(&mut writer);
        writer.finish().ok().map(|()| buffer)
    };
    if let Ok(flow) = Flow::decode(Attributes::new(attributes))
        && let Some(bytes) = written(&|writer| flow.encode(writer))
    {
        let again = Flow::decode(Attributes::new(&bytes)).expect("what was written is read");
        assert!(again == flow, "read otherwise:\n{flow:?}\n{again:?}");
    }
    if let Ok(expectation) = Expectation::decode(Attributes::new(attributes))
        && let Some(bytes) = written(&|writer| expectation.encode(writer))
    {
        let again = Expectation::decode(Attributes::new(&bytes)).expect("what was written is read");
        assert!(again == expectation, "read otherwise:\n{expectation:?}\n{again:?}");
    }
}
