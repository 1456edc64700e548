//! Acts of the app and its device between rounds: sign-outs and sign-ins, adopted tokens, another
//! server, a changed clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use propusk::{Adoption, Client, ErrorKind, ExistingTokens, Vault, VaultState};
use tokio::net::TcpListener;

use super::jobs::Job;
use super::plan::Act;
use super::process_group::ProcessGroup;
use super::run::Failure;
use super::world::{ACCESS_SECONDS, Api, Person, SignInMethod, World};

/// What the acts of a run need.
pub(super) struct ActContext {
    pub api: Api,
    pub person: Person,
    pub sign_in_method: SignInMethod,
    /// Tokens that an app kept without the SDK.
    pub tokens: Option<Arc<ExistingTokens>>,
}

impl ProcessGroup<'_> {
    pub async fn act(&mut self, act: Act, context: &ActContext) -> Result<(), Failure> {
        let last = self.processes.len() - 1;
        match act {
            Act::SignOutAndIn(process) => {
                let process = process.min(last);
                self.meanwhile(process, Job::SignOut, Job::CallUnlessLeft).await?;
                let sign_in_method = Job::SignIn(context.sign_in_method.clone());
                self.jobs([(process, sign_in_method)].into()).await
            }
            Act::SignInOver(process) => {
                let sign_in_method = Job::SignIn(context.sign_in_method.clone());
                self.meanwhile(process.min(last), sign_in_method, Job::Call).await
            }
            Act::AdoptByOne => self.adopt(&[0], context).await,
            Act::AdoptByAll => self.adopt(&self.all(), context).await,
            Act::OtherOrigin => another_server(self.world, context).await,
            Act::Clock(seconds) => {
                self.world.shift(seconds);
                Ok(())
            }
        }
    }

    /// When all processes must renew, one of them does `this` and the others do `that`.
    async fn meanwhile(&mut self, one: usize, this: Job, that: Job) -> Result<(), Failure> {
        self.world.advance(ACCESS_SECONDS + 1);
        let all = self.all().into_iter().map(|process| (process, that.clone()));
        let mut jobs: BTreeMap<usize, Job> = all.collect();
        jobs.insert(one, this);
        self.jobs(jobs).await
    }

    async fn adopt(&mut self, which: &[usize], context: &ActContext) -> Result<(), Failure> {
        let Some(tokens) = &context.tokens else { return Ok(()) };
        let adopts = |process: &usize| (*process, Job::Adopt(Arc::clone(tokens)));
        self.jobs(which.iter().map(adopts).collect()).await
    }

    /// Tokens that were adopted once are not adopted again, whether or not their session has ended.
    pub async fn check_repeated_adoption(
        &mut self,
        tokens: &ExistingTokens,
    ) -> Result<(), Failure> {
        self.is_known(tokens).await?;
        self.jobs([(0, Job::SignOut)].into()).await?;
        self.is_known(tokens).await?;
        let status = self.processes[0].client.status().await;
        match status.is_ok_and(|status| status.is_signed_in()) {
            true => Err(Failure::Other("tokens of a session that has ended sign in".to_owned())),
            false => Ok(()),
        }
    }

    async fn is_known(&self, tokens: &ExistingTokens) -> Result<(), Failure> {
        let (client, tokens) = (self.processes[0].client.clone(), tokens.clone());
        let adopting = self.processes[0].spawn(async move { client.adopt(tokens).await });
        match adopting.await {
            Ok(Ok(Adoption::AlreadyAdopted)) => Ok(()),
            outcome => Err(Failure::Other(format!("known tokens: {outcome:?}"))),
        }
    }
}

/// A client of another server can neither use nor change the vault, and sends nothing.
async fn another_server(world: &World, context: &ActContext) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let counting = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    let client = other_server_client(world, context, &url).expect("a client");
    let outcomes = [
        ("status", client.status().await.map(drop)),
        ("access_token", client.access_token().await.map(drop)),
        ("sign_out", client.sign_out().await.map(drop)),
        ("sign_in", context.sign_in_method.sign_in(&client).await),
    ];
    counting.abort();
    let refusal = ErrorKind::Storage { state: VaultState::OtherServer };
    for (what, outcome) in outcomes {
        if !outcome.as_ref().is_err_and(|error| *error.kind() == refusal) {
            return Err(Failure::Other(format!("{what} at another server: {outcome:?}")));
        }
    }
    match asked.load(Ordering::SeqCst) {
        0 => Ok(()),
        _ => Err(Failure::Other("another server received a request".to_owned())),
    }
}

fn other_server_client(world: &World, context: &ActContext, url: &str) -> propusk::Result<Client> {
    let (id, secret) = world.oauth_client();
    Client::builder(url)
        .dialect(context.api.dialect())
        .vault(Vault::file(&context.person.vault, context.person.key.clone()))
        .clock(world.clock.clone())
        .timeout(Duration::from_millis(400))
        .oauth_client(id, secret)
        .build()
}
