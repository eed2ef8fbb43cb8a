//! Inputs of the nftables test-suite that no program may accept, when they lie beside the repository: they are refused
//! without a panic.

mod corpus;

use corpus::levels::Levels;
use corpus::place::{self, files, read};
use corpus::world::{Refusal, World};

#[test]
fn bogus_inputs_of_the_test_suite_are_refused_without_a_panic() {
    let Some(corpus) = place::corpus() else { return };
    let folder = corpus.join("bogons/nft-f");
    let (mut levels, mut crashes) = (Levels::default(), Vec::new());
    for name in files(&folder, "") {
        let result = World::default().run(&read(&folder.join(&name)));
        match &result {
            Err(Refusal::Crash(why)) => crashes.push(format!("{name}: {why}")),
            Err(Refusal::Error(_)) => {}
            Ok(_) => println!("accepted: {name}"),
        }
        levels.count("nft-f", "refused", matches!(result, Err(Refusal::Error(_))));
    }
    println!("{}", levels.report());
    assert!(crashes.is_empty(), "{}", crashes.join("\n"));
    levels.check("bogons.txt");
}
