//! The load program speaks our APIs as they are: each operation of a shipped description is answered.

use propusk_tests::load::description::{Description, Operation};
use propusk_tests::load::target::{Outcome, Target, begin_attempt};
use propusk_tests::load::usage::Processes;
use propusk_tests::server::TestServer;

const OPERATIONS: [Operation; 5] =
    [Operation::Register, Operation::SignIn, Operation::Refresh, Operation::Me, Operation::Verify];

#[tokio::test]
async fn load_program_knows_our_own_apis() {
    let server = TestServer::start().await;
    for (name, count) in [("propusk", 4), ("propusk_djoser", 5)] {
        let description = Description::read(name).expect("a shipped description");
        let known = OPERATIONS.into_iter().filter(|operation| description.has(*operation));
        let known: Vec<Operation> = known.collect();
        assert_eq!(known.len(), count, "{name}");
        let base = server.client.base();
        let target = Target::open(name.to_owned(), description, base, Processes::default());
        let target = target.await.expect("it is prepared");
        let mut values = target.account("anna").expect("random numbers");
        for operation in known {
            begin_attempt(&mut values).expect("random numbers");
            let outcome = target.run(operation, &mut values).await;
            assert_eq!(outcome, Outcome::Done, "{name}, {}", operation.name());
        }
    }
}
